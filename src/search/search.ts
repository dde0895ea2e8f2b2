import type { Config } from '../config.js';
import { normaliseText } from '../embedding/text.js';
import { KindredError } from '../errors.js';
import type { Filter } from '../vectors/filter.js';
import { canonicalFilter, fingerprint } from './fingerprint.js';
import type { PageRequest, Paging, ResultPage } from './paging.js';
import { rankHits } from './ranking.js';
import type { Retrieval } from './retrieval.js';

/** What a search goes by. */
export type SearchMode = 'SEMANTIC';

/** A search by meaning. */
interface SearchRequest extends PageRequest {
  /** What to look for, in plain words. */
  readonly query: string;
  readonly mode: SearchMode;
  readonly filter?: Filter;
}

/** Finds items by meaning. */
export interface Search {
  /** One page of the items nearest to the query. Throws what Paging throws, and the error of a query that can't be embedded. */
  page(request: SearchRequest, retrieval: Retrieval): Promise<ResultPage>;
}

export interface SearchOptions {
  readonly paging: Paging;
  readonly limits: Pick<Config['limits'], 'textBytes'>;
}

/** Search over the collections of all versions. */
export function createSearch({ paging, limits }: SearchOptions): Search {
  return {
    // Async, so that a refused text is a rejection like every other error.
    page: async (request, retrieval) => {
      const query = normaliseText(request.query, limits);
      if (query instanceof KindredError) throw query;
      return paging.page(request, {
        fingerprint: fingerprint('search', request.mode, query, canonicalFilter(request.filter)),
        signal: retrieval.signal,
        fetch: async (model) => {
          const started = performance.now();
          const outcome = await retrieval.embedding.load(model, query, 'query');
          if (outcome instanceof KindredError) throw outcome;
          const embedded = performance.now();
          const { filter } = request;
          const hits = await retrieval.neighbours.load(model, outcome.vector, {
            limit: paging.window,
            filter,
          });
          const searchMs = performance.now() - embedded;
          return { hits: rankHits(hits), embedMs: embedded - started, searchMs };
        },
      });
    },
  };
}
