/** Share of the bound that is left while refusals go on and on. */
const STANDING = 0.5;

/** How long what waits may take, for another call to be taken behind it. */
export interface QueueBound {
  /** In ms. */
  now(): number;
  /** Takes note of a call that was refused for it. */
  refused(): void;
}

/**
 * A bound that takes a burst whole and not a standing queue: once calls have been refused for longer than `maxMs`, with no pause as long,
 * half of it is left. A queue that never empties costs those who are taken their time and gives the workers nothing: they need a batch that
 * waits, not ten. The idea is that of CoDel (K. Nichols and V. Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012).
 */
export function createQueueBound(maxMs: number, clock: () => number = () => performance.now()): QueueBound {
  let since = -Infinity;
  let last = -Infinity;
  const goesOn = (at: number): boolean => at - last <= maxMs;
  return {
    now() {
      const at = clock();
      return goesOn(at) && at - since > maxMs ? maxMs * STANDING : maxMs;
    },
    refused() {
      const at = clock();
      if (!goesOn(at)) since = at;
      last = at;
    },
  };
}
