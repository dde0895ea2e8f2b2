/** How long refusals and answers are counted before they are compared, in ms. */
const WINDOW_MS = 100;
/** Refusals within a window from which they are many. */
const MANY = 10;
/** How long refusals are held back from then on, in ms. */
const LASTS_MS = 2_000;

export interface HoldingOptions {
  /** How long a refusal is held back at most, in ms; 0 for never. */
  readonly ms: number;
  /** Refusals held back at once at most; more are told at once. */
  readonly most: number;
}

/** Decides when a client is told that it is refused. */
export interface Holding {
  /** Calls `tell` at once, or a moment later while more is refused than answered. */
  refuse(tell: () => void): void;
  /** Takes note of a request that was answered. */
  answered(): void;
}

/**
 * Holds refusals back for a moment while they are many and more than the answers: a client that does not wait for `Retry-After` asks again as soon as
 * it has read the refusal, thousands of times a second, which takes the cores that compute answers. Held back by `ms` at most and half of it at least, evenly, lest
 * all come again at once, it costs next to nothing. A lone refusal is told at once: a load balancer may try another replica.
 */
export function createHolding({ ms, most }: HoldingOptions): Holding {
  let refusals = 0;
  let answers = 0;
  let windowEnd = 0;
  let holdsUntil = 0;
  let held = 0;
  const turn = (now: number): void => {
    if (now < windowEnd) return;
    if (refusals >= MANY && refusals > answers) holdsUntil = now + LASTS_MS;
    refusals = answers = 0;
    windowEnd = now + WINDOW_MS;
  };
  return {
    answered: () => {
      answers += 1;
    },
    refuse: (tell) => {
      const now = performance.now();
      turn(now);
      refusals += 1;
      if (ms === 0 || now >= holdsUntil || held >= most) {
        tell();
        return;
      }
      held += 1;
      setTimeout(
        () => {
          held -= 1;
          tell();
        },
        ms * (0.5 + Math.random() / 2),
      );
    },
  };
}
