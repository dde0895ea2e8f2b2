import type { Retrieval } from '../src/search/retrieval.js';
import type { LoaderOptions } from './batch.js';
import { type EmbeddingLoader, createEmbeddingLoader } from './embedding.js';
import { type ImageLoader, createImageLoader } from './image.js';
import { type ItemLoader, createItemLoader } from './item.js';
import { type NeighboursLoader, createNeighboursLoader } from './neighbours.js';
import { type VectorLoader, createVectorLoader } from './vector.js';
import { type WordsLoader, createWordsLoader } from './words.js';

/** One request's batched ways to models and stores. Each merges the loads of one tick, and remembers for the request's life. */
export interface Loaders extends Retrieval {
  readonly embedding: EmbeddingLoader;
  readonly images: ImageLoader;
  readonly neighbours: NeighboursLoader;
  readonly words: WordsLoader;
  readonly vectors: VectorLoader;
  readonly item: ItemLoader;
}

/** Makes the loaders of one request; share them with no other, since they remember what they loaded. */
export function createLoaders(options: LoaderOptions): Loaders {
  return {
    signal: options.signal,
    models: options.models,
    embedding: createEmbeddingLoader(options),
    images: createImageLoader(options),
    neighbours: createNeighboursLoader(options),
    words: createWordsLoader(options),
    vectors: createVectorLoader(options),
    item: createItemLoader(options),
  };
}
