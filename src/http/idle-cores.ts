import { type CpuTimes, readCpuTimes } from '../cpu-times.js';

/** How long is watched for one figure, in ms: counters move in steps of 10 ms. */
const LEAST_MS = 250;

/** Tells how many of the machine's cores nobody uses, while it is watched. */
export interface IdleCores {
  /** Looks, and answers how many cores were idle of late, on average; Infinity when that is not known, or not yet. */
  look(): number;
  /** Forgets what was seen: reading the counters of many cores takes some of a millisecond, so nobody reads them for nothing. */
  rest(): void;
}

/** Makes the meter, which has seen nothing yet. */
export function createIdleCores(
  read: () => Pick<CpuTimes, 'busy' | 'idle'> = readCpuTimes,
  now: () => number = () => performance.now(),
): IdleCores {
  let from: { readonly times: Pick<CpuTimes, 'busy' | 'idle'>; readonly at: number } | undefined;
  let cores = Infinity;
  return {
    look() {
      const at = now();
      if (from && at - from.at < LEAST_MS) return cores;
      const times = read();
      if (from) {
        const idle = times.idle - from.times.idle;
        // Where the system tells nothing, all counters stand still.
        cores = idle + times.busy > from.times.busy ? Math.max(0, idle / (at - from.at)) : Infinity;
      }
      from = { times, at };
      return cores;
    },
    rest() {
      from = undefined;
      cores = Infinity;
    },
  };
}
