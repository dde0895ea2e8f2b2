import type { ServedModel } from '../src/models/model-version.js';
import { type BatchLoader, type LoaderOptions, batchLoader, keyed } from './batch.js';

export interface VectorLoader {
  /** The vector of an item, `[dimension]`; null where there is none. */
  load(model: ServedModel, id: string): Promise<Float32Array | null>;
}

/** Merges the vectors asked for in one tick, by collection, into one call. */
export function createVectorLoader(options: LoaderOptions): VectorLoader {
  const loaders = keyed<BatchLoader<string, Float32Array | null>>();
  return {
    load: async ({ collection }, id) => {
      const loader = loaders(collection.spec.name, () =>
        batchLoader('vectors', options, (ids) => collection.vectors(ids)),
      );
      return (await loader.load(id)).value;
    },
  };
}
