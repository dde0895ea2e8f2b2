import { throwIfAborted } from '../errors.js';
import { abortable } from './abortable.js';
import type { FaissCollectionIndex } from './faiss-index.js';
import type { FaissOptions } from './faiss-options.js';
import type { Filter } from './filter.js';
import type { LanceDbCollection } from './lancedb-collection.js';
import { LANCEDB_CAPABILITIES, unavailable } from './lancedb-common.js';
import { compilePredicate } from './predicate.js';
import { checkQueries, checkRecords } from './records.js';
import type { Collection, Hit, StoreCapabilities } from './store.js';
import { filterableFields, indexedValue, typedFilter } from './typed-filter.js';

/** Those of its tables. */
export const FAISS_CAPABILITIES: StoreCapabilities = LANCEDB_CAPABILITIES;

/** How many more candidates than matches are expected among them. */
const SURPLUS = 1.5;

/** A collection whose records are in a table and whose neighbours an index finds. */
export function createFaissCollection(
  table: LanceDbCollection,
  index: FaissCollectionIndex,
  { maxCandidates }: FaissOptions,
): Collection {
  const { spec } = table;
  const fields = filterableFields(spec);

  /** The ids of those hits whose items fit. */
  const fitting = async (results: readonly Hit[][], filter: Filter): Promise<ReadonlySet<string>> => {
    const fits = compilePredicate(typedFilter(filter, spec));
    const ids = [...new Set(results.flatMap((hits) => hits.map(({ id }) => id)))];
    const items = await table.fetch(ids);
    return new Set(
      items.flatMap((item) =>
        item !== null && fits(new Map(fields.map((field) => [field.name, indexedValue(item, field)])))
          ? [item.id]
          : [],
      ),
    );
  };

  /**
   * An index knows no filters: as many candidates are taken as hold enough matches by their share of all records. Where those would be too many,
   * or the matches lie elsewhere than the share promises, the matches themselves are compared, so that no page is short.
   */
  const filtered = async (
    queries: readonly Float32Array[],
    limit: number,
    filter: Filter,
  ): Promise<Hit[][]> => {
    const [matches, rows] = await Promise.all([table.count(filter), table.count()]);
    if (matches === 0) return queries.map(() => []);
    const wanted = Math.min(limit, matches);
    const candidates = Math.ceil(((wanted * rows) / matches) * SURPLUS);
    if (candidates > maxCandidates) return table.search(queries, { limit, filter });
    const { results } = await index.search(queries, candidates);
    const fits = await fitting(results, filter);
    const hits = results.map((each) => each.filter(({ id }) => fits.has(id)).slice(0, limit));
    return completed(hits, wanted, (short) => table.search(short, { limit, filter }), queries);
  };

  const unfiltered = async (queries: readonly Float32Array[], limit: number): Promise<Hit[][]> => {
    const { results, possible } = await index.search(queries, limit);
    return completed(results, possible, (short) => table.search(short, { limit }), queries);
  };

  return {
    ...table,
    upsert: async (records) => {
      const checked = checkRecords(records, spec, FAISS_CAPABILITIES.maxUpsert);
      if (checked.length > 0) await index.write(() => table.upsert(checked), { put: checked });
    },
    delete: async (ids) => (ids.length === 0 ? 0 : index.write(() => table.delete(ids), { remove: ids })),
    search: async (queries, { limit, filter, signal }) => {
      checkQueries(queries, limit, spec, FAISS_CAPABILITIES.maxQueries);
      throwIfAborted(signal);
      if (filter !== undefined) typedFilter(filter, spec);
      if (queries.length === 0) return [];
      const search = filter === undefined ? unfiltered(queries, limit) : filtered(queries, limit, filter);
      return abortable(
        unavailable('searching', () => search),
        signal,
      );
    },
    status: () => unavailable('reading its state', () => index.status()),
    optimize: async () => {
      await table.optimize();
      await unavailable('building the index', () => index.optimize());
    },
  };
}

/** The results with those that have fewer than `wanted` hits made anew by comparing records one by one. */
async function completed(
  results: readonly Hit[][],
  wanted: number,
  search: (queries: readonly Float32Array[]) => Promise<Hit[][]>,
  queries: readonly Float32Array[],
): Promise<Hit[][]> {
  const short = queries.filter((_, at) => (results[at]?.length ?? 0) < wanted);
  if (short.length === 0) return [...results];
  const exact = (await search(short)).values();
  return results.map((hits) => (hits.length < wanted ? (exact.next().value ?? hits) : hits));
}
