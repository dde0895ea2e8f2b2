import { type CpuTimes, readCpuTimes } from '../cpu-times.js';

/** Looks that are closer together than this, in ms, answer what the one before did: counters move in steps of 10 ms. */
const LEAST_MS = 250;

/** Share of the machine's CPU time above which other processes count as busy. */
const BUSY_SHARE = 0.2;

/** Answers the share of the machine's CPU time, 0 to 1, that other processes have used since the look before. */
export function createLoadMeter(
  read: () => CpuTimes = readCpuTimes,
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
