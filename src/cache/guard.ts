import {
  BrokenCircuitError,
  CircuitState,
  CountBreaker,
  TimeoutStrategy,
  circuitBreaker,
  handleAll,
  timeout,
  wrap,
} from 'cockatiel';

/** The breaker opens when half of the last 20 calls failed; 5 are enough to tell. */
const BREAKER = { threshold: 0.5, size: 20, minimumNumberOfCalls: 5 } as const;

export interface GuardOptions {
  /** Time a call may take, in ms. */
  readonly timeoutMs: number;
  /** Time until one call tries a bypassed server again, in ms. */
  readonly retryMs: number;
  /** Calls are no longer made from here on; `reason` is the last failure's, for an operator. */
  readonly onOpen?: (reason: string) => void;
  /** A trial went well: calls are made again. */
  readonly onClose?: () => void;
}

/** Keeps a dead or slow server from costing more than a bounded time now and then. */
export interface Guard {
  /** Runs `work`, whose signal aborts when its time is up; rejects at once while the server is bypassed. */
  run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Whether calls are kept from the server now. */
  bypassed(): boolean;
}

/** Makes a guard: a time limit within a circuit breaker. */
export function createGuard({ timeoutMs, retryMs, onOpen, onClose }: GuardOptions): Guard {
  const breaker = circuitBreaker(handleAll, { halfOpenAfter: retryMs, breaker: new CountBreaker(BREAKER) });
  // A signal that also aborted after a good answer would tell nobody anything.
  const limit = timeout(timeoutMs, { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false });
  const policy = wrap(breaker, limit);
  let told = false;
  breaker.onBreak((reason) => {
    // Each trial that fails opens it again; it is told once.
    if (!told) onOpen?.('error' in reason ? reason.error.message : 'no answer');
    told = true;
  });
  breaker.onReset(() => {
    if (told) onClose?.();
    told = false;
  });
  return {
    // While one call tries the server, cockatiel lets the others wait for it: then they would pay twice.
    run: (work) =>
      breaker.state === CircuitState.HalfOpen
        ? Promise.reject(new BrokenCircuitError())
        : // A signal of its own: the one that cockatiel shares among all calls warns of too many listeners.
          policy.execute(({ signal }) => work(signal), new AbortController().signal),
    bypassed: () => breaker.state !== CircuitState.Closed,
  };
}

/** Whether a guard rejected without making the call. */
export function isBypass(error: unknown): boolean {
  return error instanceof BrokenCircuitError;
}
