import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Table } from '@lancedb/lancedb';
import type { Schema } from 'apache-arrow';
import { throwIfAborted } from '../errors.js';
import type { Item } from '../catalogue/item.js';
import { abortable } from './abortable.js';
import { idParts, inOrder } from './ids.js';
import { LANCEDB_CAPABILITIES, type LanceDbOptions, unavailable } from './lancedb-common.js';
import { compileSql, sqlIdIn } from './lancedb-filter.js';
import { createIndexes } from './lancedb-index.js';
import { createRowIds } from './lancedb-row-ids.js';
import { isLexical, toArrow, toItem } from './lancedb-rows.js';
import { createNearest } from './lancedb-search.js';
import { createMatches } from './lancedb-text.js';
import { NEEDS_TEXT_FIELDS, checkLimit, checkQueries, checkRecords, noLexicalSearch } from './records.js';
import type { Collection, CollectionSpec, VectorRecord } from './store.js';
import { createTurns } from './turns.js';
import { typedFilter } from './typed-filter.js';

/** Ids in one SQL text: a few hundred kilobytes at most. */
const IDS_A_QUERY = 1_000;
/** Rows read between two turns of the event loop: some milliseconds. */
const ENTRIES_A_TURN = 5_000;

/** A collection in a table, for those who build on it. */
export interface LanceDbCollection extends Collection {
  /** Grows by one with every write, of any process. */
  version(): Promise<number>;
  /** Content hashes of all records by id. */
  entries(): Promise<ReadonlyMap<string, string>>;
}

/** A collection on an open table. */
export function createLanceDbCollection(
  table: Table,
  spec: CollectionSpec,
  schema: Schema,
  options: LanceDbOptions,
): LanceDbCollection {
  const indexes = createIndexes(table, spec, options);
  const rowIds = createRowIds(table);
  const nearest = createNearest(table, indexes, rowIds, options);
  const matches = createMatches(table, rowIds);
  const lexical = isLexical(spec);
  // Concurrent writes of one table only make each other retry.
  const inTurn = createTurns();

  /** The rows of `ids` that are there, by id, each as `read` makes it of its `columns`. */
  const lookup = async <T>(
    ids: readonly string[],
    columns: readonly string[],
    read: (cells: readonly unknown[], id: string) => T,
  ): Promise<Map<string, T>> => {
    const found = new Map<string, T>();
    for (const part of idParts(ids, IDS_A_QUERY)) {
      const rows = await unavailable('reading records', () =>
        table
          .query()
          .where(sqlIdIn(part))
          .select(['id', ...columns])
          .toArrow(),
      );
      const keys = rows.getChild('id');
      const values = columns.map((column) => rows.getChild(column));
      for (let row = 0; row < rows.numRows; row += 1) {
        const id = String(keys?.get(row));
        found.set(
          id,
          read(
            values.map((value): unknown => value?.get(row)),
            id,
          ),
        );
      }
    }
    return found;
  };

  return {
    spec,
    lexical,
    projects: false,
    async upsert(records) {
      const checked = checkRecords(records, spec, LANCEDB_CAPABILITIES.maxUpsert);
      if (checked.length === 0) return;
      const rows = toArrow(checked, spec, schema);
      await inTurn(() =>
        unavailable('writing records', async () => {
          await table.mergeInsert('id').whenMatchedUpdateAll().whenNotMatchedInsertAll().execute(rows);
        }),
      );
    },
    async delete(ids) {
      if (ids.length === 0) return 0;
      return inTurn(() =>
        unavailable('deleting records', async () => {
          let deleted = 0;
          for (const part of idParts(ids, IDS_A_QUERY)) {
            const result = await table.delete(sqlIdIn(part));
            deleted += result.numDeletedRows;
          }
          return deleted;
        }),
      );
    },
    async fetch(ids) {
      const known = await rowIds.fetch(ids);
      const missing = ids.filter((id) => !known.has(id));
      const found = await lookup(missing, ['item'], ([item]) => String(item));
      return ids.map((id): Item | null => {
        const json = known.get(id) ?? found.get(id);
        return json === undefined ? null : toItem(id, json);
      });
    },
    async vectors(ids) {
      return inOrder(ids, await lookup(ids, ['vector'], ([vector]) => toVector(vector)));
    },
    async hashes(ids) {
      return inOrder(ids, await lookup(ids, ['hash'], ([hash]) => String(hash)));
    },
    async search(queries, { limit, filter, signal }) {
      checkQueries(queries, limit, spec, LANCEDB_CAPABILITIES.maxQueries);
      throwIfAborted(signal);
      const where = filter === undefined ? undefined : compileSql(typedFilter(filter, spec));
      if (queries.length === 0) return [];
      return abortable(
        unavailable('searching', () => nearest(queries, limit, where)),
        signal,
      );
    },
    async searchText(query, { limit, filter, signal }) {
      if (!lexical) throw noLexicalSearch('lancedb', NEEDS_TEXT_FIELDS);
      checkLimit(limit);
      throwIfAborted(signal);
      const where = filter === undefined ? undefined : compileSql(typedFilter(filter, spec));
      return abortable(
        unavailable('searching by words', () => matches(query, limit, where)),
        signal,
      );
    },
    async count(filter) {
      const where = filter === undefined ? undefined : compileSql(typedFilter(filter, spec));
      return unavailable('counting', () => table.countRows(where));
    },
    async *scan({ batch, after, signal }) {
      const ids = await unavailable('listing the ids', async () => {
        const rows = await table.query().select(['id']).toArrow();
        return Array.from(rows.getChild('id') ?? [], String).sort();
      });
      const from = after === undefined ? 0 : ids.findIndex((id) => id > after);
      for (let at = from; at >= 0 && at < ids.length; at += batch) {
        throwIfAborted(signal);
        const part = ids.slice(at, at + batch);
        const found = await lookup(part, ['hash', 'item', 'vector'], toRecord);
        const records = part.flatMap((id) => found.get(id) ?? []);
        if (records.length > 0) yield records;
      }
    },
    version: () => unavailable('reading its version', () => table.version()),
    entries: () =>
      unavailable('listing the hashes', async () => {
        const rows = await table.query().select(['id', 'hash']).toArrow();
        const [ids, hashes] = [rows.getChild('id'), rows.getChild('hash')];
        const entries = new Map<string, string>();
        for (let row = 0; row < rows.numRows; row += 1) {
          entries.set(String(ids?.get(row)), String(hashes?.get(row)));
          if (row % ENTRIES_A_TURN === ENTRIES_A_TURN - 1) await nextTurn();
        }
        return entries;
      }),
    status: () => unavailable('reading its state', () => indexes.status()),
    optimize: () => inTurn(() => unavailable('optimizing', () => indexes.optimize())),
  };
}

function toVector(cell: unknown): Float32Array {
  return Float32Array.from(cell as Iterable<number>);
}

/** A record of the cells of its hash, item and vector. */
function toRecord([hash, item, vector]: readonly unknown[], id: string): VectorRecord {
  return { item: toItem(id, String(item)), hash: String(hash), vector: toVector(vector) };
}
