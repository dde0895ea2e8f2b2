import { badInput, throwIfAborted } from '../errors.js';
import { abortable } from './abortable.js';
import { FILTER_OPERATORS, type Filter } from './filter.js';
import { idParts } from './ids.js';
import type { MilvusConnection } from './milvus-connection.js';
import { createBulkLoad } from './milvus-bulk.js';
import { createCompletion } from './milvus-completion.js';
import { countRows } from './milvus-count.js';
import { checkStatus } from './milvus-fault.js';
import { TRUE, compileExpression, idAfter, idIn } from './milvus-filter.js';
import { handedOver } from './milvus-handover.js';
import type { MilvusOptions } from './milvus-options.js';
import { createItemColumns } from './milvus-items.js';
import { IDS_A_QUERY, createReads } from './milvus-reads.js';
import { type MilvusRow, type RowLayout, toRecords, toRow } from './milvus-rows.js';
import { hasLexicalSearch } from './milvus-schema.js';
import { MAX_HITS, createMatches, createNearest } from './milvus-search.js';
import { NEEDS_TEXT_FIELDS, checkLimit, checkQueries, checkRecords, noLexicalSearch } from './records.js';
import { partsOf } from './parts.js';
import type { Collection, CollectionSpec, StoreCapabilities } from './store.js';
import { typedFilter } from './typed-filter.js';

/** Rows of one step of a scan at most: a few megabytes with their vectors. */
const SCAN_ROWS = 1_000;
/** Estimated bytes of the rows in one upsert: gRPC takes 64 MB by default. */
const UPSERT_BYTES = 16_000_000;

export const MILVUS_CAPABILITIES: StoreCapabilities = {
  filters: FILTER_OPERATORS,
  maxQueries: 64,
  merges: true,
  maxUpsert: 10_000,
  persistent: true,
  exact: false,
  lexical: 'from 2.5',
  aliases: true,
};

/** What is known of a collection and its server. */
export interface MilvusFacts extends RowLayout {
  /** The server's own. */
  readonly version: string;
  /** Why it can't answer now. */
  readonly fault: () => string | undefined;
}

/** A collection that is there and loaded. */
export function createMilvusCollection(
  connection: MilvusConnection,
  spec: CollectionSpec,
  options: MilvusOptions,
  { fault, version, ...layout }: MilvusFacts,
): Collection {
  const { name } = spec;
  const { lexical } = layout;
  const items = createItemColumns(layout.apart);
  const nearest = createNearest(connection, name, options.index, { key: 'id', vector: 'vector', items });
  const reads = createReads(connection, spec, items);
  const complete = createCompletion(connection, spec);
  const matches = createMatches(connection, name);
  const expressionOf = (filter: Filter | undefined): string =>
    filter === undefined ? '' : compileExpression(typedFilter(filter, spec));

  const upsertRows = async (rows: readonly MilvusRow[]): Promise<void> => {
    await connection.sdk('writing records', async (client) => {
      const { status, err_index: wrong } = await client.upsert({
        collection_name: name,
        data: [...rows],
        timeout: options.writeTimeoutMs,
      });
      checkStatus(status);
      if (wrong.length > 0) throw new Error(`${String(wrong.length)} rows were not written`);
    });
  };

  return {
    spec,
    lexical,
    fault,
    projects: items.projects,
    bulk: createBulkLoad(connection, spec, layout, options, async (rows) => {
      for (const part of parts(rows, spec.dimension)) await upsertRows(part);
    }),
    async upsert(records) {
      const rows = checkRecords(records, spec, MILVUS_CAPABILITIES.maxUpsert).map((record) =>
        toRow(record, spec, layout),
      );
      for (const part of parts(rows, spec.dimension)) await upsertRows(part);
    },
    async delete(ids) {
      // Milvus answers how many it was asked to delete, not how many were there.
      const there = await reads.there(ids);
      for (const part of idParts(there, IDS_A_QUERY)) {
        await connection.sdk('deleting records', async (client) => {
          const answer = await client.delete({
            collection_name: name,
            filter: idIn(part),
            timeout: options.writeTimeoutMs,
          });
          checkStatus(answer.status);
        });
      }
      return there.length;
    },
    fetch: (ids, projection = 'all') => reads.fetch(ids, projection),
    vectors: reads.vectors,
    hashes: reads.hashes,
    async search(queries, { limit, filter, items: wanted, signal }) {
      checkQueries(queries, limit, spec, MILVUS_CAPABILITIES.maxQueries);
      if (limit > MAX_HITS) throw badInput(`a search of Milvus gives ${String(MAX_HITS)} hits at most`);
      throwIfAborted(signal);
      const expression = expressionOf(filter);
      if (queries.length === 0) return [];
      const found = nearest(queries, limit, expression, { items: wanted, signal });
      return abortable(
        expression === '' ? found : found.then((hits) => complete(hits, queries, limit, expression, signal)),
        signal,
      );
    },
    async searchText(query, { limit, filter, signal }) {
      if (!lexical) throw noLexicalSearch('milvus', lexicalNeeds(spec, version));
      checkLimit(limit);
      throwIfAborted(signal);
      return abortable(matches(query, limit, expressionOf(filter), signal), signal);
    },
    // Async, so that a refused filter is a rejection like every other error.
    count: async (filter) => countRows(connection, name, expressionOf(filter)),
    async *scan({ batch, after, signal }) {
      for (let last = after; ;) {
        const columns = await connection.query(
          {
            collection_name: name,
            expr: last === undefined ? TRUE : idAfter(last),
            output_fields: ['id', 'hash', 'vector', ...items.names('all')],
            query_params: [{ key: 'limit', value: String(Math.min(batch, SCAN_ROWS)) }],
          },
          { consistency: 'Strong', signal },
        );
        const records = toRecords(columns.fields_data, spec.dimension, items);
        if (records.length === 0) return;
        yield records;
        last = records.at(-1)?.item.id;
      }
    },
    async status() {
      const rows = await countRows(connection, name, '');
      return connection.sdk('reading the state of the index', async (client) => {
        const { status, index_descriptions: indexes } = await client.describeIndex({
          collection_name: name,
          field_name: 'vector',
        });
        checkStatus(status);
        const [index] = indexes;
        if (index === undefined) return { rows, index: 'NONE' };
        const unindexedRows = Number(index.pending_index_rows);
        const ready = index.state === 'Finished' && unindexedRows === 0;
        const indexType = String(index.params.find(({ key }) => key === 'index_type')?.value ?? '');
        return { rows, index: ready ? 'READY' : 'BUILDING', indexType, unindexedRows };
      });
    },
    async optimize() {
      await connection.sdk(
        'writing out segments',
        async (client) => {
          const { status } = await client.flushSync({ collection_names: [name] });
          checkStatus(status);
        },
        options.loadTimeoutMs,
      );
      await handedOver(connection, name, options.loadTimeoutMs);
    },
  };
}

/** Rows in calls that a server takes. */
function parts(rows: readonly MilvusRow[], dimension: number): MilvusRow[][] {
  return partsOf(
    rows,
    Infinity,
    UPSERT_BYTES,
    (row) => dimension * 4 + JSON.stringify({ ...row, vector: null }).length,
  );
}

/** What a collection without lexical search would take to have it. */
function lexicalNeeds({ text = [] }: CollectionSpec, version: string): string {
  if (!hasLexicalSearch(version)) return `it needs version 2.5 or newer, this server is ${version}`;
  return text.length === 0
    ? NEEDS_TEXT_FIELDS
    : 'the collection was made by an older server: drop it and import again';
}
