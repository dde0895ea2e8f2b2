import { createCpuWatch } from '../cpu-times.js';

/** Share of the machine's CPU time above which other processes count as busy. */
const BUSY_SHARE = 0.2;

/** Answers the share of the machine's CPU time, 0 to 1, that other processes have used since the look before, the first since it was made. */
export function createLoadMeter(watch = createCpuWatch()): () => number {
  let share = 0;
  watch.look();
  return () => {
    const span = watch.look();
    if (span) {
      const total = span.busy + span.idle;
      share = total <= 0 ? 0 : Math.min(1, Math.max(0, (span.busy - span.own) / total));
    }
    return share;
  };
}

/** All of the time for a command that has the machine for itself, `maxShare` beside others, which may be gateways. */
export function shareBesideOthers(maxShare: number): () => number {
  const others = createLoadMeter();
  return () => (others() > BUSY_SHARE ? maxShare : 1);
}
