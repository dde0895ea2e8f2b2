import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import { RemoteFault } from './fault.js';

export interface BreakerOptions {
  /** Failures in a row after which nothing is sent. */
  readonly failures: number;
  /** Time between probes while nothing is sent, in ms. */
  readonly probeMs: number;
  /** Resolves when the server can be used again; it goes past the breaker. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Told when nothing is sent any more, and why. */
  readonly onOpen: (reason: string) => void;
  readonly onClose: () => void;
}

/** Keeps requests from a server that fails, and finds out by itself when it is back: no caller pays for the trial. */
export interface Breaker {
  /** Does `work` and learns from it. Throws RemoteFault `unreachable` at once while open. */
  execute<T>(work: () => Promise<T>): Promise<T>;
  /** Why nothing is sent; undefined while requests are. */
  fault(): string | undefined;
  close(): void;
}

/** Share by which the pause between probes varies, so that replicas don't probe in step. */
const JITTER = 0.2;

/** Makes a breaker, closed. */
export function createBreaker({ failures, probeMs, probe, onOpen, onClose }: BreakerOptions): Breaker {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let reason: string | undefined;
  let circuit = newCircuit();

  /** A new one instead of half-open trials: cockatiel times those by the wall clock, which may jump. */
  function newCircuit(): CircuitBreakerPolicy {
    const made = circuitBreaker(
      handleWhen((error) => error instanceof RemoteFault && countsAsFailure(error)),
      { breaker: new ConsecutiveBreaker(failures), halfOpenAfter: Number.MAX_SAFE_INTEGER },
    );
    made.onBreak((failure) => {
      reason = 'error' in failure ? failure.error.message : 'it failed';
      onOpen(reason);
      probeLater();
    });
    return made;
  }

  function probeLater(): void {
    if (abort.signal.aborted) return;
    timer = setTimeout(() => void probeOnce(), probeMs * (1 + JITTER * (Math.random() * 2 - 1)));
    timer.unref();
  }

  async function probeOnce(): Promise<void> {
    try {
      await probe(abort.signal);
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      probeLater();
      return;
    }
    if (abort.signal.aborted) return;
    reason = undefined;
    circuit = newCircuit();
    onClose();
  }

  return {
    execute: async (work) => {
      try {
        return await circuit.execute(work);
      } catch (error) {
        if (!(error instanceof BrokenCircuitError)) throw error;
        throw new RemoteFault('unreachable', `the server fails (${reason ?? ''})`, { retryAfterMs: probeMs });
      }
    },
    fault: () => (circuit.state === CircuitState.Closed ? undefined : (reason ?? 'the server fails')),
    close: () => {
      if (abort.signal.aborted) return;
      abort.abort();
      clearTimeout(timer);
      if (reason !== undefined) onClose();
    },
  };
}

/** A server that is busy or refuses what it was sent is there; one that nobody waits for has not failed. */
function countsAsFailure({ kind }: RemoteFault): boolean {
  return kind === 'unreachable' || kind === 'misconfigured';
}
