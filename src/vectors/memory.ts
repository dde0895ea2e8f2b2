import { setImmediate } from 'node:timers/promises';
import { throwIfAborted } from '../errors.js';
import type { Item } from '../catalogue/item.js';
import { FILTER_OPERATORS } from './filter.js';
import { type Predicate, compilePredicate } from './predicate.js';
import {
  checkQueries,
  checkRecords,
  checkSpec,
  clampCosine,
  compareHits,
  noLexicalSearch,
  specError,
  specFault,
} from './records.js';
import type {
  Collection,
  CollectionSpec,
  Hit,
  SearchOptions,
  StoreCapabilities,
  VectorRecord,
  VectorStore,
} from './store.js';
import { norm } from './unit-vectors.js';
import { type IndexedValue, filterableFields, indexedValue, typedFilter } from './typed-filter.js';

/** Multiplications between two turns of the event loop: about a millisecond. */
const SLICE = 1_000_000;

export const MEMORY_CAPABILITIES: StoreCapabilities = {
  filters: FILTER_OPERATORS,
  maxQueries: 64,
  merges: true,
  maxUpsert: 10_000,
  persistent: false,
  exact: true,
  lexical: false,
  aliases: false,
};

/**
 * A store that scans every vector on the main thread and forgets everything at exit: for tests and catalogues of a few thousand
 * items. A scan yields to the event loop every millisecond or so.
 */
export function createMemoryStore(): VectorStore {
  const collections = new Map<string, Collection>();
  return {
    name: 'memory',
    capabilities: MEMORY_CAPABILITIES,
    open: (spec) => Promise.resolve().then(() => open(collections, spec)),
    list: () => Promise.resolve([...collections.keys()].sort()),
    drop: (name) => {
      collections.delete(name);
      return Promise.resolve();
    },
    check: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

function open(collections: Map<string, Collection>, spec: CollectionSpec): Collection {
  checkSpec(spec);
  const existing = collections.get(spec.name);
  if (existing === undefined) {
    const collection = createCollection(spec);
    collections.set(spec.name, collection);
    return collection;
  }
  const fault = specFault(existing.spec, spec);
  if (fault !== undefined) throw specError(spec.name, fault);
  return existing;
}

/** One record, its values for filters and the length of its vector. */
interface Row {
  readonly id: string;
  readonly item: Item;
  readonly hash: string;
  readonly norm: number;
  readonly values: ReadonlyMap<string, IndexedValue>;
}

/** The rows, and their vectors one after another: row i's starts at `i * dimension`. */
interface Rows {
  readonly rows: Row[];
  readonly at: Map<string, number>;
  vectors: Float32Array;
}

function createCollection(spec: CollectionSpec): Collection {
  const { dimension } = spec;
  const fields = filterableFields(spec);
  let rows: Rows = { rows: [], at: new Map(), vectors: new Float32Array(0) };
  let scans = 0;

  /** A scan that has yielded goes on over the rows that it started with, so a writer meanwhile works on a copy. */
  const writable = (): Rows => {
    if (scans > 0) {
      rows = { rows: [...rows.rows], at: new Map(rows.at), vectors: rows.vectors.slice() };
      scans = 0;
    }
    return rows;
  };

  const scan = async (
    queries: readonly Float32Array[],
    { limit, filter, signal }: SearchOptions,
  ): Promise<Hit[][]> => {
    checkQueries(queries, limit, spec, MEMORY_CAPABILITIES.maxQueries);
    throwIfAborted(signal);
    const matches: Predicate =
      filter === undefined ? () => true : compilePredicate(typedFilter(filter, spec));
    const snapshot = rows;
    const tops = queries.map((query) => createTop(query, limit));
    const step = Math.max(1, Math.floor(SLICE / (dimension * Math.max(1, queries.length))));
    scans += 1;
    try {
      for (let from = 0; from < snapshot.rows.length; from += step) {
        if (from > 0) {
          await setImmediate();
          throwIfAborted(signal);
        }
        for (const [offset, row] of snapshot.rows.slice(from, from + step).entries()) {
          if (!matches(row.values)) continue;
          const start = (from + offset) * dimension;
          for (const top of tops) top.offer(row, snapshot.vectors, start);
        }
      }
    } finally {
      if (snapshot === rows) scans -= 1;
    }
    return tops.map((top) => top.hits());
  };

  return {
    spec,
    lexical: false,
    projects: false,
    upsert: (records) =>
      Promise.resolve().then(() => {
        const checked = checkRecords(records, spec, MEMORY_CAPABILITIES.maxUpsert);
        const made = checked.map((record): [Row, Float32Array] => [
          toRow(record, new Map(fields.map((field) => [field.name, indexedValue(record.item, field)]))),
          record.vector,
        ]);
        const into = writable();
        for (const [row, vector] of made) put(into, row, vector);
      }),
    delete: (ids) => Promise.resolve().then(() => remove(writable(), ids, dimension)),
    fetch: (ids) => Promise.resolve(ids.map((id) => rowOf(rows, id)?.item ?? null)),
    hashes: (ids) => Promise.resolve(ids.map((id) => rowOf(rows, id)?.hash ?? null)),
    vectors: (ids) =>
      Promise.resolve(
        ids.map((id) => {
          const row = rows.at.get(id);
          return row === undefined ? null : rows.vectors.slice(row * dimension, (row + 1) * dimension);
        }),
      ),
    search: scan,
    searchText: () => Promise.reject(noLexicalSearch('memory', 'take lancedb, or milvus 2.5 and newer')),
    count: (filter) =>
      Promise.resolve().then(() => {
        if (filter === undefined) return rows.rows.length;
        const matches = compilePredicate(typedFilter(filter, spec));
        return rows.rows.filter((row) => matches(row.values)).length;
      }),
    async *scan({ batch, after, signal }) {
      await Promise.resolve();
      const ids = rows.rows.map(({ id }) => id).sort();
      const from = after === undefined ? 0 : ids.findIndex((id) => id > after);
      for (let at = from; at >= 0 && at < ids.length; at += batch) {
        throwIfAborted(signal);
        const records = ids.slice(at, at + batch).flatMap((id): VectorRecord[] => {
          const place = rows.at.get(id);
          const row = rowOf(rows, id);
          if (place === undefined || row === undefined) return [];
          const vector = rows.vectors.slice(place * dimension, (place + 1) * dimension);
          return [{ item: row.item, hash: row.hash, vector }];
        });
        if (records.length > 0) yield records;
      }
    },
    status: () => Promise.resolve({ rows: rows.rows.length, index: 'NONE' }),
    optimize: () => Promise.resolve(),
  };
}

function toRow({ item, hash, vector }: VectorRecord, values: ReadonlyMap<string, IndexedValue>): Row {
  return { id: item.id, item, hash, norm: norm(vector), values };
}

function rowOf({ rows, at }: Rows, id: string): Row | undefined {
  const row = at.get(id);
  return row === undefined ? undefined : rows[row];
}

function put(into: Rows, row: Row, vector: Float32Array): void {
  const dimension = vector.length;
  const position = into.at.get(row.id) ?? into.rows.length;
  if ((position + 1) * dimension > into.vectors.length) {
    const grown = new Float32Array(Math.max(64, position * 2) * dimension);
    grown.set(into.vectors);
    into.vectors = grown;
  }
  into.rows[position] = row;
  into.at.set(row.id, position);
  into.vectors.set(vector, position * dimension);
}

/** Moves the last row into each hole, so that the vectors stay contiguous. */
function remove(from: Rows, ids: readonly string[], dimension: number): number {
  let removed = 0;
  for (const id of ids) {
    const position = from.at.get(id);
    if (position === undefined) continue;
    const last = from.rows.pop();
    if (last !== undefined && last.id !== id) {
      from.rows[position] = last;
      from.at.set(last.id, position);
      from.vectors.copyWithin(
        position * dimension,
        from.rows.length * dimension,
        (from.rows.length + 1) * dimension,
      );
    }
    from.at.delete(id);
    removed += 1;
  }
  return removed;
}

interface Top {
  offer(row: Row, vectors: Float32Array, start: number): void;
  hits(): Hit[];
}

/** Keeps the best `limit` of what it is offered; sorts only when it holds twice as many. */
function createTop(query: Float32Array, limit: number): Top {
  const queryNorm = norm(query);
  let best: Hit[] = [];
  let worst = -Infinity;
  const cut = (): void => {
    best.sort(compareHits);
    if (best.length > limit) best = best.slice(0, limit);
    if (best.length === limit) worst = best.at(-1)?.score ?? worst;
  };
  return {
    offer(row, vectors, start) {
      let dot = 0;
      for (let i = 0; i < query.length; i += 1) dot += (query[i] ?? 0) * (vectors[start + i] ?? 0);
      const score = clampCosine(dot / (queryNorm * row.norm));
      if (score < worst) return;
      best.push({ id: row.id, score });
      if (best.length >= limit * 2 + 16) cut();
    },
    hits() {
      cut();
      return best;
    },
  };
}
