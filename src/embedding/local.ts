import type { EmbeddingCache } from '../cache/tiers.js';
import type { Config } from '../config.js';
import { KindredError } from '../errors.js';
import type { Bundle } from '../models/bundle.js';
import { imageOf, isImageOnly, isText } from '../models/manifest.js';
import type { Overload } from '../overload.js';
import type { Telemetry } from '../telemetry.js';
import { createBatcher } from './batcher.js';
import { createCachedEmbedder } from './cached.js';
import type { Embedder } from './embedder.js';
import { createImageEmbedder } from './images.js';
import { tokensPerMsOf } from './onnx/calibration.js';
import type { OnnxPool } from './onnx/pool.js';
import { workerCount } from './onnx/providers.js';

export interface LocalEmbedderOptions {
  readonly bundle: Bundle;
  readonly pool: OnnxPool;
  readonly config: Pick<Config, 'embedding' | 'images' | 'limits'>;
  readonly cache?: EmbeddingCache;
  readonly overload?: Pick<Overload, 'lasts'>;
  readonly telemetry: Telemetry;
}

/**
 * Loads a bundle into the pool and puts cache and batcher above it. Rejects with the reason, for operators, when a worker refuses
 * the bundle. Closing unloads the model; the pool and the cache stay.
 */
export async function createLocalEmbedder(options: LocalEmbedderOptions): Promise<Embedder> {
  const { bundle, pool, config, cache, overload, telemetry } = options;
  const { manifest } = bundle;
  const { id, dimension, maxTokens, prompts } = manifest;
  const matryoshka = isText(manifest) ? manifest.matryoshka : undefined;
  const tuning = await pool.load(bundle);
  const runner = pool.runner(bundle);
  const limits = { ...config.embedding, ...tuning };
  const { bulkShare } = pool;
  const perWorker = tokensPerMsOf(tuning);
  const tokensPerMs = perWorker && perWorker * workerCount(config.embedding);
  const batcher = createBatcher({
    model: id,
    maxTokens,
    runner,
    limits,
    bulkShare,
    overload,
    tokensPerMs,
    telemetry,
  });
  const images = imageOf(manifest) && createImageEmbedder({ bundle, pool, config, cache, telemetry });
  const inner: Embedder = {
    model: { id, digest: bundle.digest, dimension, maxTokens, matryoshka },
    embed: (texts, { purpose, lane = 'interactive', signal, deadline }) =>
      batcher.embed(
        texts.map((text) => prompts[purpose] + text),
        { lane, signal, deadline },
      ),
    health: () => {
      const reason = runner.fault();
      return {
        ready: reason === undefined,
        reason,
        placement: runner.placement?.(),
        queued: batcher.queued() + (images?.queued() ?? 0),
      };
    },
    close: async () => {
      await Promise.all([batcher.close(), images?.close()]);
      await pool.unload(id);
    },
  };
  const texts = createCachedEmbedder({ inner, cache, limits: config.limits, telemetry });
  if (!images) return texts;
  return {
    ...texts,
    ...(isImageOnly(manifest) && { embed: (unread) => Promise.resolve(unread.map(() => readsNoTexts(id))) }),
    embedImages: images.embedImages,
  };
}

function readsNoTexts(model: string): KindredError {
  return new KindredError('FEATURE_UNSUPPORTED', `the model version ${model} reads images only`);
}
