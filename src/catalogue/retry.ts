import { setTimeout as sleep } from 'node:timers/promises';
import { KindredError, abortError } from '../errors.js';

/** How often, and after which pauses, work is tried again. */
export interface RetryPolicy {
  /** Tries in all. */
  readonly attempts: number;
  /** The first pause, in ms; each further one is twice as long, up to `maxMs`. */
  readonly baseMs: number;
  readonly maxMs: number;
}

/** About half a minute in all: longer than a restart of a store or a full queue, shorter than an operator's patience. */
export const BULK_RETRY: RetryPolicy = { attempts: 9, baseMs: 250, maxMs: 8_000 };

/** Waits before try `attempt + 1`, at least as long as the error asks. Throws the error of `signal` once it aborts. */
export async function pause(
  { baseMs, maxMs }: RetryPolicy,
  attempt: number,
  error: KindredError,
  signal: AbortSignal,
): Promise<void> {
  const ms = Math.min(maxMs, Math.max(baseMs * 2 ** (attempt - 1), error.retryAfterMs ?? 0));
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw abortError(signal);
  }
}

/** Does `work`, again while it fails with an error that may pass. */
export async function withRetry<T>(
  policy: RetryPolicy,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof KindredError) || !error.retry || attempt >= policy.attempts) throw error;
      await pause(policy, attempt, error, signal);
    }
  }
}
