import type { Remote } from '../../models/remote.js';
import type { Telemetry } from '../../telemetry.js';
import { KindredError } from '../../errors.js';
import type { EmbedOutcome } from '../embedder.js';
import type { SessionRun } from '../runner.js';
import { createBreaker } from './breaker.js';
import { RemoteFault } from './fault.js';
import { createTransport } from './http.js';
import { faultError, outcomesOf, textError } from './outcomes.js';
import type { RemoteProtocol } from './protocol.js';
import { createRetryBudget } from './retry-budget.js';
import { withRetries } from './retry.js';

/** Least cosine between the probe's vector and the one in remote.json. */
const PROBE_COSINE = 0.999;

/** Embedded to see whether the server works, where remote.json has no probe. */
const CANARY = 'hello';

/** Outcomes of a batch and the requests that it took. */
interface ClientResult {
  readonly outcomes: readonly EmbedOutcome[];
  readonly sessions: readonly SessionRun[];
}

/** A server as something that embeds batches. */
export interface RemoteClient {
  /** Embeds up to `limits.texts` texts. Never rejects: a failure is the outcome of the texts that had it. */
  embed(texts: readonly string[], signal: AbortSignal): Promise<ClientResult>;
  /** Asks whether the server works and gives the probe's vector. Rejects with the reason, for operators. */
  probe(signal: AbortSignal): Promise<void>;
  /** Why nothing is sent; undefined while requests are. */
  fault(): string | undefined;
  /** What clients see while nothing is sent. */
  unavailable(): KindredError;
  close(): Promise<void>;
}

export interface RemoteClientOptions {
  readonly remote: Remote;
  readonly protocol: RemoteProtocol;
  readonly telemetry: Telemetry;
  /** Told when the breaker opens. */
  readonly onOpen: () => void;
}

/** Makes a client. It sends nothing before it is asked to. */
export function createClient({ remote, protocol, telemetry, onOpen }: RemoteClientOptions): RemoteClient {
  const { id, dimension, retries, timeouts, prompts, breaker: limits } = remote.manifest;
  const { metrics } = telemetry;
  const transport = createTransport(remote, protocol.tooLong);
  const budget = createRetryBudget();
  const breaker = createBreaker({
    ...limits,
    probe,
    onOpen: () => {
      metrics.remoteBreaker.add(1, { model: id });
      onOpen();
    },
    onClose: () => {
      metrics.remoteBreaker.add(-1, { model: id });
    },
  });
  const retry = {
    retries,
    ...timeouts,
    budget,
    onRetry: () => {
      metrics.remoteRetries.add(1, { model: id });
    },
  };
  const canary = prompts[remote.manifest.probe?.purpose ?? 'query'] + (remote.manifest.probe?.text ?? CANARY);
  /** When the server last embedded something, in ms of performance.now(). */
  let lastSuccess = -Infinity;

  /** One request, past retries and breaker. Throws RemoteFault. */
  async function exchange(
    texts: readonly string[],
    signal: AbortSignal,
    timeoutMs: number = timeouts.attemptMs,
  ): Promise<ClientResult> {
    const start = performance.timeOrigin + performance.now();
    const answer = await transport.send(protocol.embed(texts), signal, timeoutMs);
    const read = protocol.read(answer, texts.length);
    const outcomes = outcomesOf({ id, dimension }, read);
    const end = performance.timeOrigin + performance.now();
    lastSuccess = performance.now();
    return { outcomes, sessions: [{ start, end, texts: texts.length, tokens: read.totalTokens ?? 0 }] };
  }

  /** One request with all its tries, each counted by the breaker. Throws RemoteFault. */
  async function guarded(texts: readonly string[], signal: AbortSignal): Promise<ClientResult> {
    const count = (outcome: string): void => {
      metrics.remoteRequests.add(1, { model: id, outcome });
    };
    try {
      const result = await withRetries(retry, signal, (timeoutMs) =>
        breaker.execute(() => exchange(texts, signal, timeoutMs)),
      );
      count('ok');
      return result;
    } catch (error) {
      count(error instanceof RemoteFault ? error.kind : 'failed');
      throw error;
    }
  }

  /**
   * After a refusal: throws unless the server embeds a text that is known to be good. A server that refuses that too is broken, and
   * counts as that; cutting its batches into pieces would only give it more to refuse.
   */
  async function blameTexts(signal: AbortSignal): Promise<void> {
    if (performance.now() - lastSuccess < limits.probeMs) return;
    await breaker.execute(() =>
      exchange([canary], signal).catch((error: unknown) => {
        if (!(error instanceof RemoteFault) || error.kind !== 'refused') throw error;
        throw new RemoteFault('misconfigured', `the server refuses every text: ${error.message}`, {
          cause: error,
        });
      }),
    );
  }

  /** Halves a refused batch until each text stands alone: one bad text in 32 costs ten requests, not 32. */
  async function split(texts: readonly string[], signal: AbortSignal): Promise<ClientResult> {
    if (texts.length === 1) return await settle(texts, signal);
    const middle = Math.ceil(texts.length / 2);
    const halves: ClientResult[] = [];
    for (const half of [texts.slice(0, middle), texts.slice(middle)]) halves.push(await settle(half, signal));
    return {
      outcomes: halves.flatMap(({ outcomes }) => outcomes),
      sessions: halves.flatMap(({ sessions }) => sessions),
    };
  }

  /** As `guarded`, but every text gets its outcome. */
  async function settle(texts: readonly string[], signal: AbortSignal): Promise<ClientResult> {
    const all = (error: KindredError): ClientResult => ({ outcomes: texts.map(() => error), sessions: [] });
    try {
      return await guarded(texts, signal);
    } catch (error) {
      if (!(error instanceof RemoteFault) || error.kind !== 'refused') return all(sharedError(error));
      try {
        await blameTexts(signal);
      } catch (broken) {
        return all(sharedError(broken));
      }
      return texts.length === 1 ? all(textError(id, error)) : await split(texts, signal);
    }
  }

  function sharedError(fault: unknown): KindredError {
    return faultError(id, fault, limits.probeMs);
  }

  async function probe(signal: AbortSignal): Promise<void> {
    if (protocol.ready) await transport.send(protocol.ready, signal, timeouts.attemptMs);
    const [outcome] = (await exchange([canary], signal)).outcomes;
    if (remote.probe === undefined) return;
    if (outcome === undefined || outcome instanceof KindredError)
      throw new Error(`expected a vector for the probe text, but got ${outcome?.message ?? 'none'}`);
    const expected = remote.probe;
    const cosine = outcome.vector.reduce((sum, value, at) => sum + value * (expected[at] ?? 0), 0);
    if (!(cosine >= PROBE_COSINE))
      throw new Error(
        `expected the probe text to embed to its vector in remote.json, but the cosine is ${cosine.toFixed(4)}`,
      );
  }

  return {
    embed: settle,
    probe,
    fault: () => breaker.fault(),
    unavailable: () => sharedError(new RemoteFault('unreachable', breaker.fault() ?? 'the server fails')),
    close: async () => {
      breaker.close();
      await transport.close();
    },
  };
}
