import type { ServedModel } from '../src/models/model-version.js';
import { canonicalFilter } from '../src/search/fingerprint.js';
import type { NeighbourOptions } from '../src/search/retrieval.js';
import type { Hit } from '../src/vectors/store.js';
import { type BatchLoader, type LoaderOptions, batchLoader, keyed } from './batch.js';

export interface NeighboursLoader {
  /** The nearest items of `vector` (`[dimension]`, L2-normalised), best first. */
  load(model: ServedModel, vector: Float32Array, options: NeighbourOptions): Promise<Hit[]>;
}

/**
 * Merges the searches of one tick with the same collection, filter, limit and fields into one call, or as few as the store takes. A vector is known
 * by its identity, which costs nothing to compare: equal texts share theirs through the embedding loader already.
 */
export function createNeighboursLoader(options: LoaderOptions): NeighboursLoader {
  const { signal } = options;
  const { maxQueries } = options.capabilities;
  const loaders = keyed<BatchLoader<Float32Array, Hit[]>>();
  return {
    load: async ({ collection }, vector, { limit, filter, items = [] }) => {
      const fields = collection.projects || items.length === 0 ? items : 'all';
      const shape = `${collection.spec.name}:${limit}:${JSON.stringify(fields)}:${canonicalFilter(filter)}`;
      const loader = loaders(shape, () =>
        batchLoader(
          'neighbours',
          options,
          (vectors) => collection.search(vectors, { limit, filter, items: fields, signal }),
          { maxBatchSize: maxQueries },
        ),
      );
      return (await loader.load(vector)).value;
    },
  };
}
