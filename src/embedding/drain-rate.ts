/** How fast a queue empties, for refusing what would wait too long and telling its clients when to come back. */
export interface DrainRate {
  /** Takes note of a batch of `tokens` that ran from `start` to `end`, in ms; of several at once, each in the order of their ends. */
  learn(tokens: number, start: number, end: number): void;
  /** Time that `tokens` will take, in ms; undefined before anything is known. */
  waitFor(tokens: number): number | undefined;
  /** When a client should come back behind `tokens`, in ms: between 100 ms and 30 s. */
  timeFor(tokens: number): number;
}

/** Weight that a batch loses when the next one comes. */
const FADING = 0.1;
/** Weight of the first guess, as time of batches in ms. */
const GUESS_MS = 50;
const LEAST_MS = 100;
const MOST_MS = 30_000;
/** What is answered before anything is known, in ms. */
const UNKNOWN_MS = 1_000;

/** Makes a running rate of tokens a millisecond, which starts at `first` where that is known. */
export function createDrainRate(first?: number): DrainRate {
  let tokens = first === undefined ? 0 : first * GUESS_MS;
  let busyMs = first === undefined ? 0 : GUESS_MS;
  let last = -Infinity;
  const waitFor = (waiting: number): number | undefined =>
    busyMs > 0 && tokens > 0 ? (waiting * busyMs) / tokens : undefined;
  return {
    learn: (done, start, end) => {
      // Since the batch before ended: so batches side by side count for what they do together.
      const ms = Math.max(end - Math.max(start, last), 0.01);
      last = end;
      tokens = tokens * (1 - FADING) + done;
      busyMs = busyMs * (1 - FADING) + ms;
    },
    waitFor,
    timeFor: (waiting) => {
      const ms = waitFor(waiting);
      return ms === undefined ? UNKNOWN_MS : Math.round(Math.min(MOST_MS, Math.max(LEAST_MS, ms)));
    },
  };
}
