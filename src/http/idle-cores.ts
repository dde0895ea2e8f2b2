import { cpuQuota } from '../cores.js';
import { createCpuWatch } from '../cpu-times.js';

/** Tells how many cores this process could use more than it does, while it is watched. */
export interface IdleCores {
  /**
   * Looks, and answers how many cores were idle of late, on average, or were left of the process's own limit where that is less; Infinity
   * when it is not known, or not yet.
   */
  look(): number;
  /** Forgets what was seen: reading the counters of many cores takes some of a millisecond, so nobody reads them for nothing. */
  rest(): void;
}

/** Makes the meter, which has seen nothing yet, of a process that gets `quota` cores at most. */
export function createIdleCores(watch = createCpuWatch(), quota = cpuQuota()): IdleCores {
  let cores = Infinity;
  return {
    look() {
      const span = watch.look();
      // Where the system tells nothing, all counters stand still.
      if (span) {
        const idle = span.idle + span.busy > 0 ? span.idle / span.ms : Infinity;
        cores = Math.max(0, Math.min(idle, quota - span.own / span.ms));
      }
      return cores;
    },
    rest() {
      watch.forget();
      cores = Infinity;
    },
  };
}
