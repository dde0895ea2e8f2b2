import { BULK_RETRY, withRetry } from '../catalogue/retry.js';

/** Changes the shared state: what took minutes is not lost because that is away for seconds. */
export function patiently<T>(signal: AbortSignal, change: () => Promise<T>): Promise<T> {
  return withRetry(BULK_RETRY, signal, change);
}
