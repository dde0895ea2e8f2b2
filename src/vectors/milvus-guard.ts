import {
  BrokenCircuitError,
  BulkheadRejectedError,
  CircuitState,
  ConsecutiveBreaker,
  TimeoutStrategy,
  bulkhead,
  circuitBreaker,
  handleWhen,
  timeout,
} from 'cockatiel';
import { KindredError, overloaded } from '../errors.js';
import { isAway, milvusFault } from './milvus-fault.js';

/** Calls in a row without an answer after which the server counts as away. */
const FAILURES = 5;
/** Time until one call tries again, in ms. */
const RETRY_MS = 1_000;
/** Calls that wait for their turn at most. */
const WAITING = 4_096;

export interface MilvusGuardOptions {
  /** Calls under way at most. */
  readonly concurrency: number;
  readonly onAway?: (reason: string) => void;
  readonly onBack?: () => void;
}

/** Stands between the gateway and a server that may be slow, frozen or away. */
export interface MilvusGuard {
  /**
   * Runs `work` in its turn and for `timeoutMs` at most: the SDK starts its deadline anew with each try, and has none for a free
   * connection. Throws UPSTREAM_UNAVAILABLE, at once while the server is away; `what` tells what failed.
   */
  run<T>(what: string, timeoutMs: number, work: () => Promise<T>): Promise<T>;
  /** Why no call is made now; undefined while calls are made. */
  away(): string | undefined;
}

export function createMilvusGuard({ concurrency, onAway, onBack }: MilvusGuardOptions): MilvusGuard {
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
    if (reason === undefined) onAway?.(milvusFault('several calls', cause).message);
    reason = milvusFault('several calls', cause).message;
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
        throw milvusFault(what, error);
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
