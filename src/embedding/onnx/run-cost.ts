/** What starting a session run costs, in tokens: how much padding is cheaper than one more run. */
export interface RunCost {
  tokens(): number;
  /** Takes note of a run of `tokens`, padding included, that took `ms`. */
  learn(tokens: number, ms: number): void;
}

/** Static embeddings have hundreds, as their tokens cost next to nothing. */
const LEAST_TOKENS = 4;
const MOST_TOKENS = 1_024;
/** Weight that a run keeps when the next one comes. */
const MEMORY = 0.99;
/** Runs before the fit is believed. */
const ENOUGH_RUNS = 16;

/** Fits time = start + slope x tokens by least squares over the latest runs; `first` tokens, as the calibration found, until there are enough. */
export function createRunCost(first: number): RunCost {
  const prior = Math.min(MOST_TOKENS, Math.max(LEAST_TOKENS, first));
  let [n, x, y, xx, xy] = [0, 0, 0, 0, 0];
  return {
    tokens: () => {
      const spread = n * xx - x * x;
      const slope = (n * xy - x * y) / spread;
      const start = (y - slope * x) / n;
      if (n < ENOUGH_RUNS || !(spread > 0) || !Number.isFinite(start)) return prior;
      return slope > 0 ? Math.min(MOST_TOKENS, Math.max(LEAST_TOKENS, start / slope)) : MOST_TOKENS;
    },
    learn: (tokens, ms) => {
      n = n * MEMORY + 1;
      x = x * MEMORY + tokens;
      y = y * MEMORY + ms;
      xx = xx * MEMORY + tokens * tokens;
      xy = xy * MEMORY + tokens * ms;
    },
  };
}
