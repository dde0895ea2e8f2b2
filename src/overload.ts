/** How long refusals and answers are counted before they are compared, in ms. */
const WINDOW_MS = 100;
/** Refusals within a window from which they are many. */
const MANY = 10;
/** How long it counts as overload from then on, in ms. */
const LASTS_MS = 2_000;

/** Tells whether the gateway refuses more requests than it answers. */
export interface Overload {
  /** Takes note of a request that was refused as OVERLOADED. */
  refused(): void;
  /** Takes note of a request that was answered otherwise. */
  answered(): void;
  /** For how long it has refused more than it answered, in ms; undefined while it does not. */
  lasts(): number | undefined;
}

/** Makes the count of a gateway. Refusals that are few, or a burst of them now and then among answers, are no overload. */
export function createOverload(): Overload {
  let refusals = 0;
  let answers = 0;
  let windowEnd = 0;
  let since = 0;
  let until = 0;
  return {
    answered: () => {
      answers += 1;
    },
    refused: () => {
      const now = performance.now();
      if (now >= windowEnd) {
        if (refusals >= MANY && refusals > answers) {
          if (now >= until) since = now;
          until = now + LASTS_MS;
        }
        refusals = answers = 0;
        windowEnd = now + WINDOW_MS;
      }
      refusals += 1;
    },
    lasts: () => {
      const now = performance.now();
      return now < until ? now - since : undefined;
    },
  };
}
