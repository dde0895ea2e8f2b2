import type { EmbeddingCache } from '../cache/memory.js';
import type { Config } from '../config.js';
import type { Bundle } from '../models/bundle.js';
import type { Telemetry } from '../telemetry.js';
import { createBatcher } from './batcher.js';
import { createCachedEmbedder } from './cached.js';
import type { Embedder } from './embedder.js';
import type { OnnxPool } from './onnx/pool.js';

export interface LocalEmbedderOptions {
  readonly bundle: Bundle;
  readonly pool: OnnxPool;
  readonly config: Pick<Config, 'embedding' | 'limits'>;
  readonly cache?: EmbeddingCache;
  readonly telemetry: Telemetry;
}

/**
 * Loads a bundle into the pool and puts cache and batcher above it. Rejects with the reason, for operators, when a worker refuses
 * the bundle. Closing unloads the model; the pool and the cache stay.
 */
export async function createLocalEmbedder(options: LocalEmbedderOptions): Promise<Embedder> {
  const { bundle, pool, config, cache, telemetry } = options;
  const { id, dimension, maxTokens, prompts } = bundle.manifest;
  await pool.load(bundle);
  const runner = pool.runner(bundle);
  const batcher = createBatcher({ model: id, maxTokens, runner, limits: config.embedding, telemetry });
  const inner: Embedder = {
    model: { id, digest: bundle.digest, dimension, maxTokens },
    embed: (texts, { purpose, lane = 'interactive', signal, deadline }) =>
      batcher.embed(
        texts.map((text) => prompts[purpose] + text),
        { lane, signal, deadline },
      ),
    health: () => {
      const reason = runner.fault();
      return { ready: reason === undefined, reason, queued: batcher.queued() };
    },
    close: async () => {
      await batcher.close();
      await pool.unload(id);
    },
  };
  return createCachedEmbedder({ inner, cache, limits: config.limits, telemetry });
}
