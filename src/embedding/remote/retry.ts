import { setTimeout as sleep } from 'node:timers/promises';
import { ExponentialBackoff, type IBackoff } from 'cockatiel';
import { RemoteFault } from './fault.js';
import type { RetryBudget } from './retry-budget.js';

/** Pauses between tries, in ms. */
const PAUSE = { initialDelay: 50, maxDelay: 2_000 };

export interface RetryOptions {
  /** Tries after the first, at most. */
  readonly retries: number;
  /** One try, in ms. */
  readonly attemptMs: number;
  /** A request with all its tries and pauses, in ms. */
  readonly totalMs: number;
  readonly budget: RetryBudget;
  readonly onRetry: () => void;
}

/**
 * Does `work` with the time that it may take, again while it fails with a fault that may pass: embedding changes nothing at the server, so a request that was cut off
 * may be sent twice. Pauses grow with jitter, or are what the server asks for; a pause that would outlast `totalMs` is not begun.
 */
export async function withRetries<T>(
  { retries, attemptMs, totalMs, budget, onRetry }: RetryOptions,
  signal: AbortSignal,
  work: (timeoutMs: number) => Promise<T>,
): Promise<T> {
  const end = performance.now() + totalMs;
  let backoff: IBackoff<unknown> | undefined;
  budget.request();
  for (let retry = 0; ; retry++) {
    try {
      return await work(Math.min(attemptMs, Math.max(1, Math.ceil(end - performance.now()))));
    } catch (error) {
      const fault = error instanceof RemoteFault ? error : undefined;
      if ((fault?.kind !== 'unreachable' && fault?.kind !== 'busy') || retry >= retries) throw error;
      backoff = backoff ? backoff.next(undefined) : new ExponentialBackoff(PAUSE).next();
      const pause = Math.max(backoff.duration, fault.retryAfterMs ?? 0);
      if (performance.now() + pause >= end || !budget.take()) throw error;
      onRetry();
      await sleep(pause, undefined, { signal }).catch(() => {
        throw new RemoteFault('cancelled', 'the request was cancelled');
      });
    }
  }
}
