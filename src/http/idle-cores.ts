import { createCpuWatch } from '../cpu-times.js';

/** Tells how many of the machine's cores nobody uses, while it is watched. */
export interface IdleCores {
  /** Looks, and answers how many cores were idle of late, on average; Infinity when that is not known, or not yet. */
  look(): number;
  /** Forgets what was seen: reading the counters of many cores takes some of a millisecond, so nobody reads them for nothing. */
  rest(): void;
}

/** Makes the meter, which has seen nothing yet. */
export function createIdleCores(watch = createCpuWatch()): IdleCores {
  let cores = Infinity;
  return {
    look() {
      const span = watch.look();
      // Where the system tells nothing, all counters stand still.
      if (span) cores = span.idle + span.busy > 0 ? Math.max(0, span.idle) / span.ms : Infinity;
      return cores;
    },
    rest() {
      watch.forget();
      cores = Infinity;
    },
  };
}
