import type { ServedModel } from '../src/models/model-version.js';
import { canonicalFilter } from '../src/search/fingerprint.js';
import type { NeighbourOptions } from '../src/search/retrieval.js';
import type { Hit } from '../src/vectors/store.js';
import { type BatchLoader, type LoaderOptions, batchLoader, keyed } from './batch.js';

export interface WordsLoader {
  /** The items whose words fit `query` best, best first. */
  load(model: ServedModel, query: string, options: NeighbourOptions): Promise<Hit[]>;
}

/** Asks for each text once a request, however often it is searched for with the same filter and limit. */
export function createWordsLoader(options: LoaderOptions): WordsLoader {
  const { signal } = options;
  const loaders = keyed<BatchLoader<string, Hit[]>>();
  return {
    load: async ({ collection }, query, { limit, filter }) => {
      const loader = loaders(`${collection.spec.name}:${limit}:${canonicalFilter(filter)}`, () =>
        batchLoader('words', options, (queries) =>
          Promise.all(queries.map((each) => collection.searchText(each, { limit, filter, signal }))),
        ),
      );
      return (await loader.load(query)).value;
    },
  };
}
