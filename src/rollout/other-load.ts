import { cpus } from 'node:os';

/** Looks that are closer together than this, in ms, answer what the one before did: counters move in steps of 10 ms. */
const LEAST_MS = 250;

/** Share of the machine's CPU time above which other processes count as busy. */
const BUSY_SHARE = 0.2;

/** CPU time since some moment in the past, in ms. */
interface CpuTimes {
  /** Of all processes of the machine, and of its cores when they were idle. */
  readonly busy: number;
  readonly idle: number;
  /** Of this process, all its threads. */
  readonly own: number;
}

/** Answers the share of the machine's CPU time, 0 to 1, that other processes have used since the look before. */
export function createLoadMeter(
  read: () => CpuTimes = readTimes,
  now: () => number = () => performance.now(),
): () => number {
  let before = read();
  let at = now();
  let share = 0;
  return () => {
    if (now() - at < LEAST_MS) return share;
    const times = read();
    const busy = times.busy - before.busy;
    const total = busy + times.idle - before.idle;
    share = total <= 0 ? 0 : Math.min(1, Math.max(0, (busy - (times.own - before.own)) / total));
    [before, at] = [times, now()];
    return share;
  };
}

/** All of the time for a command that has the machine for itself, `maxShare` beside others, which may be gateways. */
export function shareBesideOthers(maxShare: number): () => number {
  const others = createLoadMeter();
  return () => (others() > BUSY_SHARE ? maxShare : 1);
}

function readTimes(): CpuTimes {
  let [busy, idle] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    busy += times.user + times.nice + times.sys + times.irq;
  }
  const { user, system } = process.cpuUsage();
  return { busy, idle, own: (user + system) / 1_000 };
}
