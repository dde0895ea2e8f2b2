import type { Config } from '../config.js';
import { normaliseText } from '../embedding/text.js';
import { KindredError, badInput } from '../errors.js';
import type { SearchMode, ServedModel } from '../models/model-version.js';
import type { Filter } from '../vectors/filter.js';
import { relevanceOf } from './calibration.js';
import { canonicalFilter, fingerprint } from './fingerprint.js';
import { fuse } from './fusion.js';
import type { PageRequest, Paging, ResultPage } from './paging.js';
import { rankHits } from './ranking.js';
import type { Retrieval } from './retrieval.js';
import type { Window } from './window.js';

/** A query in words. */
export interface SearchRequest extends PageRequest {
  /** What to look for, in plain words. */
  readonly query: string;
  readonly mode: SearchMode;
  readonly filter?: Filter;
  /** What hits have to reach: the relevance of a semantic search by a calibrated version, 0 to 1, and otherwise the score. */
  readonly minScore?: number | null;
}

/** Finds items by a query in words. */
export interface Search {
  /**
   * One page of the items that fit the query best. Throws what Paging throws, the error of a query that can't be embedded, and
   * FEATURE_UNSUPPORTED for a mode that the store lacks.
   */
  page(request: SearchRequest, retrieval: Retrieval): Promise<ResultPage>;
}

export interface SearchOptions {
  readonly paging: Paging;
  readonly fusion: Config['search']['fusion'];
  readonly limits: Pick<Config['limits'], 'textBytes'>;
}

/** Fetches the window of a query by one mode. */
type Fetch = (
  model: ServedModel,
  request: Pick<SearchRequest, 'query' | 'filter' | 'items'> & { readonly limit: number },
  retrieval: Retrieval,
) => Promise<Window>;

/** Search over the collections of all versions. */
export function createSearch({ paging, limits, fusion }: SearchOptions): Search {
  const byMeaning: Fetch = async (model, { query, filter, limit, items = 'all' }, retrieval) => {
    const started = performance.now();
    const outcome = await retrieval.embedding.load(model, query, 'query');
    if (outcome instanceof KindredError) throw outcome;
    const embedded = performance.now();
    const hits = await retrieval.neighbours.load(model, outcome.vector, {
      limit,
      filter,
      items: limit < paging.window ? items : [],
    });
    const searchMs = performance.now() - embedded;
    return { hits: rankHits(hits), embedMs: embedded - started, searchMs };
  };
  const byWords: Fetch = async (model, { query, filter, limit }, retrieval) => {
    const started = performance.now();
    const hits = await retrieval.words.load(model, query, { limit, filter });
    return { hits: rankHits(hits), embedMs: 0, searchMs: performance.now() - started };
  };
  const byBoth: Fetch = async (model, request, retrieval) => {
    // Where there is no such search its error is told, and the model is not asked.
    if (!model.collection.lexical) return byWords(model, request, retrieval);
    const [meaning, lexical] = await Promise.all([
      byMeaning(model, request, retrieval),
      byWords(model, request, retrieval),
    ]);
    const hits = fuse(
      [
        { hits: meaning.hits, weight: fusion.semanticWeight },
        { hits: lexical.hits, weight: fusion.lexicalWeight },
      ],
      fusion.rankConstant,
    );
    const searchMs = Math.max(meaning.embedMs + meaning.searchMs, lexical.searchMs) - meaning.embedMs;
    return { hits: hits.slice(0, request.limit), embedMs: meaning.embedMs, searchMs };
  };
  const fetchers: Record<SearchMode, Fetch> = { SEMANTIC: byMeaning, LEXICAL: byWords, HYBRID: byBoth };
  return {
    // Async, so that a refused text is a rejection like every other error.
    page: async (request, retrieval) => {
      const query = normaliseText(request.query, limits);
      if (query instanceof KindredError) throw query;
      const { minScore = null } = request;
      if (minScore !== null && !Number.isFinite(minScore))
        throw badInput('expected minScore to be a number', 'OUT_OF_RANGE');
      return paging.page(request, {
        fingerprint: fingerprint(
          ...['search', request.mode, query, canonicalFilter(request.filter)],
          ...(minScore === null ? [] : [String(minScore)]),
        ),
        models: retrieval.models,
        signal: retrieval.signal,
        // A fused ranking depends on how deep its parts were read.
        grows: request.mode !== 'HYBRID',
        fetch: async (model, limit) => {
          const window = await fetchers[request.mode](model, { ...request, query, limit }, retrieval);
          return minScore === null ? window : above(window, minScore, relevanceScale(model, request.mode));
        },
      });
    },
  };
}

/** What makes a relevance of a score; undefined where scores of a mode or version have no such scale. */
export function relevanceScale(
  { version: { calibration } }: ServedModel,
  mode: SearchMode,
): ((score: number) => number) | undefined {
  return mode === 'SEMANTIC' && calibration !== null ? (score) => relevanceOf(calibration, score) : undefined;
}

/** The hits of a window that reach a score. */
function above(window: Window, minScore: number, scale = (score: number): number => score): Window {
  return { ...window, hits: window.hits.filter(({ score }) => scale(score) >= minScore) };
}
