/** How many retries may be spent: a share of the requests, so that a server in trouble gets hardly more work than before. */
export interface RetryBudget {
  /** Takes note of a request. */
  request(): void;
  /** Takes a retry out of the budget; false when there is none left. */
  take(): boolean;
}

/** Retries a request, at most. */
const SHARE = 0.1;

/** Requests are remembered for this long, once or twice, in ms. */
const WINDOW_MS = 30_000;

/** Makes a budget over a sliding window. One retry is always granted in it: a lone blip in a quiet hour may be healed. */
export function createRetryBudget(now: () => number = () => performance.now()): RetryBudget {
  let current = { since: now(), requests: 0, retries: 0 };
  let previous = { requests: 0, retries: 0 };
  const turn = (): void => {
    const age = now() - current.since;
    if (age < WINDOW_MS) return;
    previous = age < 2 * WINDOW_MS ? current : { requests: 0, retries: 0 };
    current = { since: now(), requests: 0, retries: 0 };
  };
  return {
    request: () => {
      turn();
      current.requests += 1;
    },
    take: () => {
      turn();
      const requests = current.requests + previous.requests;
      const retries = current.retries + previous.retries;
      if (retries + 1 > Math.max(1, SHARE * requests)) return false;
      current.retries += 1;
      return true;
    },
  };
}
