/** How long refusals and answers are counted before they are compared, in ms. */
const WINDOW_MS = 100;
/** Refusals within a window from which they are many. */
const MANY = 10;
/** How long it counts as overload from then on, in ms. */
const LASTS_MS = 2_000;

/** Tells whether the gateway refuses more requests than it answers. */
export interface Overload {
  /** Takes note of a request that was refused as OVERLOADED. */
  readonly refused: () => void;
  /** Takes note of a request that was answered otherwise. */
  readonly answered: () => void;
  /** Of both so far. */
  readonly counts: { readonly refused: number; readonly answered: number };
  /** For how long it has refused more than it answered, in ms; undefined while it does not. */
  readonly lasts: () => number | undefined;
}

/** Makes the count of a gateway. Refusals that are few, or a burst of them now and then among answers, are no overload. */
export function createOverload(): Overload {
  const counts = { refused: 0, answered: 0 };
  /** What there was when the window began. */
  let before = { ...counts };
  let windowEnd = 0;
  let since = 0;
  let until = 0;
  return {
    counts,
    answered: () => {
      counts.answered += 1;
    },
    refused: () => {
      const now = performance.now();
      if (now >= windowEnd) {
        const refusals = counts.refused - before.refused;
        if (refusals >= MANY && refusals > counts.answered - before.answered) {
          if (now >= until) since = now;
          until = now + LASTS_MS;
        }
        before = { ...counts };
        windowEnd = now + WINDOW_MS;
      }
      counts.refused += 1;
    },
    lasts: () => {
      const now = performance.now();
      return now < until ? now - since : undefined;
    },
  };
}
