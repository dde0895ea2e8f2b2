import type { EmbeddingCache } from '../../cache/tiers.js';
import type { Config } from '../../config.js';
import type { RemoteManifest } from '../../models/remote-manifest.js';
import type { Remote } from '../../models/remote.js';
import type { Overload } from '../../overload.js';
import type { Telemetry } from '../../telemetry.js';
import { createBatcher } from '../batcher.js';
import { createCachedEmbedder } from '../cached.js';
import type { Embedder } from '../embedder.js';
import { createClient } from './client.js';
import { createOpenInference } from './open-inference.js';
import { createOpenAi } from './openai.js';
import { createPlaces } from './places.js';
import type { RemoteProtocol } from './protocol.js';
import { createRemoteRunner } from './runner.js';
import { createTensorFlowServing } from './tensorflow-serving.js';

export interface RemoteEmbedderOptions {
  readonly remote: Remote;
  readonly config: Pick<Config, 'embedding' | 'limits'>;
  readonly cache?: EmbeddingCache;
  readonly overload?: Pick<Overload, 'lasts'>;
  readonly telemetry: Telemetry;
}

/**
 * Connects to a server and puts cache and batcher above it. Rejects with the reason, for operators, when the server does not answer
 * the probe as remote.json says.
 */
export async function createRemoteEmbedder(options: RemoteEmbedderOptions): Promise<Embedder> {
  const { remote, config, cache, overload, telemetry } = options;
  const { id, dimension, maxTokens, prompts, concurrency, limits, timeouts } = remote.manifest;
  const places = createPlaces(concurrency);
  const client = createClient({
    remote,
    protocol: protocolOf(remote.manifest),
    telemetry,
    onOpen: () => {
      places.refuse(client.unavailable());
    },
  });
  try {
    await client.probe(AbortSignal.timeout(timeouts.totalMs));
  } catch (error) {
    await client.close();
    throw error;
  }
  const batcher = createBatcher({
    model: id,
    maxTokens,
    runner: createRemoteRunner(remote, client, places),
    limits: {
      ...config.embedding,
      maxBatchTexts: limits.texts,
      maxBatchTokens: limits.tokens,
      bulkBatchTokens: limits.tokens,
    },
    overload,
    telemetry,
  });
  const inner: Embedder = {
    model: { id, digest: remote.digest, dimension, maxTokens },
    embed: (texts, { purpose, lane = 'interactive', signal, deadline }) =>
      batcher.embed(
        texts.map((text) => prompts[purpose] + text),
        { lane, signal, deadline },
      ),
    health: () => {
      const reason = client.fault();
      return { ready: reason === undefined, reason, queued: batcher.queued() };
    },
    close: async () => {
      await batcher.close();
      await client.close();
    },
  };
  return createCachedEmbedder({ inner, cache, limits: config.limits, telemetry });
}

function protocolOf(manifest: RemoteManifest): RemoteProtocol {
  switch (manifest.protocol) {
    case 'openai':
      return createOpenAi(manifest);
    case 'open-inference':
      return createOpenInference(manifest);
    case 'tensorflow-serving':
      return createTensorFlowServing(manifest);
  }
}
