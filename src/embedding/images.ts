import type { EmbeddingCache } from '../cache/tiers.js';
import type { Config } from '../config.js';
import { overloaded } from '../errors.js';
import type { Bundle } from '../models/bundle.js';
import type { Telemetry } from '../telemetry.js';
import { createBatcher } from './batcher.js';
import { createCachedEmbedder } from './cached.js';
import type { Embedder } from './embedder.js';
import type { ImageSource } from './image/source.js';
import type { OnnxPool } from './onnx/pool.js';

/** Bytes of a SHA-256 in base64url: the only text that comes here. */
const DIGEST_BYTES = 43;
/** An image counts as one token: however large it was, the graph gets the same number of pixels. */
const IMAGE_TOKENS = 1;

export interface ImageEmbedderOptions {
  readonly bundle: Bundle;
  readonly pool: OnnxPool;
  readonly config: Pick<Config, 'images'>;
  readonly cache?: EmbeddingCache;
  readonly telemetry: Telemetry;
}

/** The half of a model's embedder that reads images. */
export interface ImageEmbedder {
  readonly embedImages: NonNullable<Embedder['embedImages']>;
  /** Images waiting for a worker. */
  queued(): number;
  close(): Promise<void>;
}

/** An image that somebody waits for. */
interface Held {
  readonly bytes: Uint8Array;
  holders: number;
}

/**
 * Puts cache and batcher above the image graph of a loaded bundle. Both know texts only, so an image goes through them as the digest of
 * its bytes, under a name of its own for the model; the bytes wait beside and go to the worker with the batch.
 */
export function createImageEmbedder(options: ImageEmbedderOptions): ImageEmbedder {
  const { bundle, pool, config, cache, telemetry } = options;
  const { maxBatch, maxPixels, maxQueueImages, maxQueueBytes } = config.images;
  const { id, dimension } = bundle.manifest;
  const name = `${id} (images)`;
  const held = new Map<string, Held>();
  let heldBytes = 0;

  const runner = pool.runner(bundle, (digests) => ({
    type: 'run-images',
    model: id,
    // Copied to the worker, not moved: when it dies, another one gets them. One that nobody waits for any more is not decoded.
    images: digests.map((digest) => held.get(digest)?.bytes ?? new Uint8Array()),
    maxPixels,
  }));
  const batcher = createBatcher({
    model: name,
    maxTokens: IMAGE_TOKENS,
    runner,
    limits: {
      maxBatchTexts: maxBatch,
      maxBatchTokens: maxBatch,
      bulkBatchTokens: maxBatch,
      maxQueueTexts: maxQueueImages,
      maxQueueTokens: maxQueueImages,
    },
    bulkShare: pool.bulkShare,
    telemetry,
  });
  const inner: Embedder = {
    model: { id: name, digest: `${bundle.digest}.image`, dimension, maxTokens: IMAGE_TOKENS },
    embed: (digests, { lane = 'interactive', signal, deadline }) =>
      batcher.embed(digests, { lane, signal, deadline }),
    health: () => ({ ready: true, queued: batcher.queued() }),
    close: () => batcher.close(),
  };
  const cached = createCachedEmbedder({ inner, cache, limits: { textBytes: DIGEST_BYTES }, telemetry });

  function hold({ digest, bytes }: ImageSource): void {
    const known = held.get(digest);
    if (known) known.holders += 1;
    else {
      held.set(digest, { bytes, holders: 1 });
      heldBytes += bytes.length;
    }
  }

  function letGo({ digest }: ImageSource): void {
    const known = held.get(digest);
    if (!known || --known.holders > 0) return;
    held.delete(digest);
    heldBytes -= known.bytes.length;
  }

  function admit(images: readonly ImageSource[]): void {
    const fresh = new Map(images.map(({ digest, bytes }) => [digest, held.has(digest) ? 0 : bytes.length]));
    const bytes = [...fresh.values()].reduce((sum, length) => sum + length, 0);
    if (bytes > 0 && heldBytes + bytes > maxQueueBytes)
      throw overloaded(`too many images wait for the model version ${id}`, 1_000);
  }

  return {
    embedImages: async (images, { lane, signal, deadline }) => {
      admit(images);
      images.forEach(hold);
      try {
        // What an image is embedded for makes no difference, so it is one to the cache.
        const digests = images.map(({ digest }) => digest);
        return await cached.embed(digests, { purpose: 'document', lane, signal, deadline });
      } finally {
        images.forEach(letGo);
      }
    },
    queued: () => batcher.queued(),
    close: () => batcher.close(),
  };
}
