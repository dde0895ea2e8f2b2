import { cpus } from 'node:os';

/** Looks that are closer together than this, in ms, tell nothing new: counters move in steps of 10 ms. */
const LEAST_MS = 200;

/** CPU time, in ms. */
export interface CpuTimes {
  /** Of all processes of the machine, and of its cores when they were idle. */
  readonly busy: number;
  readonly idle: number;
  /** Of this process, all its threads. */
  readonly own: number;
}

/** CPU time within `ms`. */
export interface CpuSpan extends CpuTimes {
  readonly ms: number;
}

/** Tells what CPU time went by between two looks. */
export interface CpuWatch {
  /** What went by since the look before; undefined where there was none, or only just. */
  look(): CpuSpan | undefined;
  /** Forgets the look before. */
  forget(): void;
}

/** Makes a watch that has not looked yet. */
export function createCpuWatch(
  read: () => CpuTimes = readCpuTimes,
  now: () => number = () => performance.now(),
): CpuWatch {
  let before: { readonly times: CpuTimes; readonly at: number } | undefined;
  return {
    look() {
      const at = now();
      if (before && at - before.at < LEAST_MS) return undefined;
      const times = read();
      const span = before && {
        busy: times.busy - before.times.busy,
        idle: times.idle - before.times.idle,
        own: times.own - before.times.own,
        ms: at - before.at,
      };
      before = { times, at };
      return span;
    },
    forget() {
      before = undefined;
    },
  };
}

function readCpuTimes(): CpuTimes {
  let [busy, idle] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    busy += times.user + times.nice + times.sys + times.irq;
  }
  const { user, system } = process.cpuUsage();
  return { busy, idle, own: (user + system) / 1_000 };
}
