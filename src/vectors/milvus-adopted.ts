import { KindredError, badInput, throwIfAborted } from '../errors.js';
import { abortable } from './abortable.js';
import type { Filter } from './filter.js';
import { idParts, inOrder } from './ids.js';
import { adoptedIdAfter, adoptedIdIn, compileAdopted, everyRow } from './milvus-adopted-filter.js';
import { type AdoptedLayout, adoptedIds, adoptedItemColumns } from './milvus-adopted-layout.js';
import { MILVUS_CAPABILITIES } from './milvus-collection.js';
import type { MilvusConnection } from './milvus-connection.js';
import { countRows } from './milvus-count.js';
import type { MilvusIndex } from './milvus-options.js';
import { type FieldData, columnData } from './milvus-proto.js';
import { MAX_HITS, createNearest } from './milvus-search.js';
import { checkQueries, noLexicalSearch } from './records.js';
import type { Collection, CollectionSpec, VectorRecord } from './store.js';
import { typedFilter } from './typed-filter.js';

/** Ids in one expression, and rows of one step of a scan at most. */
const ROWS_A_QUERY = 1_000;

export interface AdoptedOptions {
  readonly layout: AdoptedLayout;
  /** The index that it has, with the search parameters of the config. */
  readonly index: MilvusIndex;
  readonly fault: () => string | undefined;
}

/** A collection that somebody else made and writes: Kindred searches and reads it, and has no hash of its records. */
export function createAdoptedCollection(
  connection: MilvusConnection,
  spec: CollectionSpec,
  { layout, index, fault }: AdoptedOptions,
): Collection {
  const { collection, key, vector } = layout;
  const items = adoptedItemColumns(layout, spec);
  const nearest = createNearest(connection, collection, index, { key: key.name, vector, items });

  const query = (expr: string, fields: readonly string[], limit?: number, signal?: AbortSignal) =>
    connection.query(
      {
        collection_name: collection,
        expr,
        output_fields: [key.name, ...fields],
        query_params: limit === undefined ? [] : [{ key: 'limit', value: String(limit) }],
      },
      { signal },
    );
  const expressionOf = (filter: Filter | undefined): string =>
    filter === undefined ? '' : compileAdopted(typedFilter(filter, spec), layout);
  const vectorsOf = (data: readonly FieldData[]): ((row: number) => Float32Array) => {
    const floats = columnData(data, vector)?.vectors?.float_vector?.data ?? [];
    return (row) => normalised(floats.slice(row * spec.dimension, (row + 1) * spec.dimension));
  };
  const lookup = async <T>(
    ids: readonly string[],
    fields: readonly string[],
    open: (data: readonly FieldData[]) => (id: string, row: number) => T,
  ): Promise<(T | null)[]> => {
    const found = new Map<string, T>();
    for (const part of idParts(ids, ROWS_A_QUERY)) {
      const expression = adoptedIdIn(part, layout);
      if (expression === undefined) continue;
      const { fields_data: data } = await query(expression, fields);
      const read = open(data);
      for (const [row, id] of adoptedIds(data, layout).entries()) found.set(id, read(id, row));
    }
    return inOrder(ids, found);
  };
  const readOnly = (): Promise<never> =>
    Promise.reject(
      new KindredError(
        'FEATURE_UNSUPPORTED',
        'the collection was adopted (store.milvus.adopt): whoever made it writes it, Kindred only reads it',
      ),
    );

  return {
    spec,
    lexical: false,
    projects: items.projects,
    fault,
    upsert: readOnly,
    delete: readOnly,
    fetch: (ids, projection = 'all') =>
      lookup(ids, items.names(projection), (data) => {
        const read = items.reader(data, projection);
        return (id, row) => read(id, row)();
      }),
    vectors: (ids) =>
      lookup(ids, [vector], (data) => {
        const vectorAt = vectorsOf(data);
        return (_id, row) => vectorAt(row);
      }),
    hashes: (ids) => Promise.resolve(ids.map(() => null)),
    async search(queries, { limit, filter, items: wanted, signal }) {
      checkQueries(queries, limit, spec, MILVUS_CAPABILITIES.maxQueries);
      if (limit > MAX_HITS) throw badInput(`a search of Milvus gives ${String(MAX_HITS)} hits at most`);
      throwIfAborted(signal);
      const expression = expressionOf(filter);
      if (queries.length === 0) return [];
      return abortable(nearest(queries, limit, expression, { items: wanted, signal }), signal);
    },
    searchText: () => Promise.reject(noLexicalSearch('milvus', 'an adopted collection has no such search')),
    // Async, so that a refused filter is a rejection like every other error.
    count: async (filter) => countRows(connection, collection, expressionOf(filter)),
    async *scan({ batch, after, signal }) {
      for (let last = after; ;) {
        const { fields_data: data } = await query(
          last === undefined ? everyRow(layout) : adoptedIdAfter(last, layout),
          [...items.names('all'), vector],
          Math.min(batch, ROWS_A_QUERY),
          signal,
        );
        const ids = adoptedIds(data, layout);
        if (ids.length === 0) return;
        const [itemAt, vectorAt] = [items.reader(data, 'all'), vectorsOf(data)];
        yield ids.map((id, row): VectorRecord => ({
          item: itemAt(id, row)(),
          vector: vectorAt(row),
          hash: '',
        }));
        last = ids.at(-1);
      }
    },
    status: async () => ({
      rows: await countRows(connection, collection, ''),
      index: 'READY',
      indexType: index.type,
    }),
    optimize: () => Promise.resolve(),
  };
}

/** A vector of length 1, as Kindred's own are. */
function normalised(floats: readonly number[]): Float32Array {
  const norm = Math.hypot(...floats) || 1;
  return Float32Array.from(floats, (value) => value / norm);
}
