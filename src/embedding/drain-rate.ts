/** How fast a queue empties, for refusing what would wait too long and telling its clients when to come back. */
export interface DrainRate {
  /** Takes note of a batch of `tokens` that took `ms` while `parallel` batches ran. */
  learn(tokens: number, ms: number, parallel: number): void;
  /** Time that `tokens` will take, in ms; undefined before anything is known. */
  waitFor(tokens: number): number | undefined;
  /** When a client should come back behind `tokens`, in ms: between 100 ms and 30 s. */
  timeFor(tokens: number): number;
}

/** Weight of the newest batch in the running rate. */
const NEWEST = 0.2;
const LEAST_MS = 100;
const MOST_MS = 30_000;
/** What is answered before anything is known, in ms. */
const UNKNOWN_MS = 1_000;

/** Makes a running rate of tokens a millisecond, which starts at `first` where that is known. */
export function createDrainRate(first?: number): DrainRate {
  let rate = first;
  return {
    learn: (tokens, ms, parallel) => {
      const sample = (tokens * Math.max(1, parallel)) / Math.max(ms, 0.01);
      rate = rate === undefined ? sample : rate + NEWEST * (sample - rate);
    },
    waitFor: (tokens) => (rate === undefined ? undefined : tokens / rate),
    timeFor: (tokens) =>
      rate === undefined ? UNKNOWN_MS : Math.round(Math.min(MOST_MS, Math.max(LEAST_MS, tokens / rate))),
  };
}
