import {
  BrokenCircuitError,
  BulkheadRejectedError,
  CircuitState,
  ConsecutiveBreaker,
  TaskCancelledError,
  TimeoutStrategy,
  bulkhead,
  circuitBreaker,
  handleWhen,
  timeout,
} from 'cockatiel';
import { KindredError, overloaded } from '../errors.js';

/** Calls in a row without an answer after which the server counts as away. */
const FAILURES = 5;
/** Time until one call tries again, in ms. */
const RETRY_MS = 1_000;
/** Calls that wait for their turn at most. */
const WAITING = 4_096;

export interface StoreGuardOptions {
  /** Whether an error says that the server can't be reached or does not answer, rather than that it refuses one call. */
  readonly isAway: (error: unknown) => boolean;
  /** What a call of `what` that failed with `error` means to callers. */
  readonly fault: (what: string, error: unknown) => KindredError;
  /** Calls under way at most. */
  readonly concurrency: number;
  readonly onAway?: (reason: string) => void;
  readonly onBack?: () => void;
}

/** Stands between the gateway and a server that may be slow, frozen or away. */
export interface StoreGuard {
  /**
   * Runs `work` in its turn and for `timeoutMs` at most: SDKs start their deadline anew with each try, and have none for a free
   * connection. Throws UPSTREAM_UNAVAILABLE, at once while the server is away; `what` tells what failed.
   */
  run<T>(what: string, timeoutMs: number, work: () => Promise<T>): Promise<T>;
  /** Why no call is made now; undefined while calls are made. */
  away(): string | undefined;
}

/** Whether `error` is a guard's that a call took longer than its time. */
export function isOverTime(error: unknown): boolean {
  return error instanceof TaskCancelledError;
}

export function createStoreGuard({
  concurrency,
  fault,
  isAway,
  onAway,
  onBack,
}: StoreGuardOptions): StoreGuard {
  const turns = bulkhead(concurrency, WAITING);
  const breaker = circuitBreaker(handleWhen(isAway), {
    halfOpenAfter: RETRY_MS,
    breaker: new ConsecutiveBreaker(FAILURES),
  });
  const limits = new Map<number, ReturnType<typeof timeout>>();
  let reason: string | undefined;
  breaker.onBreak((failure) => {
    const cause = 'error' in failure ? failure.error : undefined;
    // Each trial that fails opens it again; it is told once.
    if (reason === undefined) onAway?.(fault('several calls', cause).message);
    reason = fault('several calls', cause).message;
  });
  breaker.onReset(() => {
    reason = undefined;
    onBack?.();
  });

  const limitOf = (timeoutMs: number): ReturnType<typeof timeout> => {
    const limit =
      limits.get(timeoutMs) ??
      timeout(timeoutMs, { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false });
    limits.set(timeoutMs, limit);
    return limit;
  };

  return {
    run: async (what, timeoutMs, work) => {
      // While one call tries the server, cockatiel lets the others wait for it: then they would pay twice.
      if (breaker.state === CircuitState.HalfOpen) throw bypassed(what, reason);
      try {
        return await breaker.execute(() => turns.execute(() => limitOf(timeoutMs).execute(() => work())));
      } catch (error) {
        if (error instanceof BrokenCircuitError) throw bypassed(what, reason);
        if (error instanceof BulkheadRejectedError)
          throw overloaded('The vector store is asked for more than it can answer.', RETRY_MS);
        throw fault(what, error);
      }
    },
    away: () => (breaker.state === CircuitState.Closed ? undefined : (reason ?? 'it does not answer')),
  };
}

function bypassed(what: string, reason: string | undefined): KindredError {
  return new KindredError(
    'UPSTREAM_UNAVAILABLE',
    `the vector store is not asked, since ${reason ?? 'it does not answer'} (${what})`,
    { retryAfterMs: RETRY_MS },
  );
}
