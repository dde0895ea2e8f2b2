import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SchemaElement } from 'hyparquet';
import { ParquetWriter, fileWriter } from 'hyparquet-writer';
import type { FieldType } from '../catalogue/catalogue.js';
import { KindredError, abortError, throwIfAborted } from '../errors.js';
import type { MilvusConnection } from './milvus-connection.js';
import { MilvusRefusal, checkStatus } from './milvus-fault.js';
import { columnName } from './milvus-filter.js';
import type { MilvusOptions } from './milvus-options.js';
import { ITEM, itemColumnName } from './milvus-items.js';
import { type MilvusRow, type RowLayout, toRow } from './milvus-rows.js';
import { TEXT as WORDS_TEXT } from './milvus-schema.js';
import { FLOAT, TEXT, column, listColumn, schemaOf } from './parquet-columns.js';
import type { BulkLoad, CollectionSpec, VectorRecord } from './store.js';
import { filterableFields } from './typed-filter.js';

/** Rows of a file: some hundred megabytes with their vectors. */
const FILE_ROWS = 50_000;
/** Time between two looks at an import, in ms. */
const POLL_MS = 500;

/** Writes rows by upserts, for those that Milvus' bulk import does not take. */
type UpsertRows = (rows: readonly MilvusRow[]) => Promise<void>;

/**
 * Loads records by Milvus' bulk import: Parquet files in its storage, which it reads by itself. It does not look for keys that are there, so it is for
 * collections without rows. Rows with a missing number, which is an infinity (see compileExpression), are refused by it and go by upserts.
 */
export function createBulkLoad(
  connection: MilvusConnection,
  spec: CollectionSpec,
  layout: RowLayout,
  { bulk: { folder, path, fromRows }, loadTimeoutMs }: Pick<MilvusOptions, 'bulk' | 'loadTimeoutMs'>,
  upsertRows: UpsertRows,
): BulkLoad | undefined {
  if (folder === null) return undefined;
  const { name } = spec;
  const columns = fileColumns(spec, layout);

  /** Waits until none of the imports that `wanted` picks is under way; throws when one of them failed. */
  const waitFor = async (wanted: (task: string) => boolean, signal: AbortSignal): Promise<void> => {
    const until = performance.now() + loadTimeoutMs;
    for (;;) {
      const tasks = await connection.sdk('reading the state of a bulk import', async (client) => {
        const answer = await client.listImportTasks({ collection_name: name });
        checkStatus(answer.status);
        return answer.tasks.filter(({ id }) => wanted(String(id)));
      });
      const failed = tasks.find(({ state }) => state.includes('Failed'));
      if (failed !== undefined)
        throw new KindredError('UPSTREAM_UNAVAILABLE', 'the vector store failed at a bulk import', {
          cause: new MilvusRefusal(-1, JSON.stringify(failed.infos)),
        });
      if (tasks.every(({ state }) => state.includes('Completed'))) return;
      if (performance.now() > until)
        throw new KindredError('UPSTREAM_UNAVAILABLE', 'a bulk import of the vector store takes too long');
      try {
        await sleep(POLL_MS, undefined, { signal });
      } catch {
        throw abortError(signal);
      }
    }
  };

  /** Has Milvus import rows, and waits for it. */
  const take = async (rows: readonly MilvusRow[], signal: AbortSignal): Promise<void> => {
    const file = `kindred-${name}-${randomUUID()}.parquet`;
    const here = join(folder, file);
    try {
      await writeFile(here, columns, rows);
      const there = path === null ? here : `${path.replace(/\/$/, '')}/${file}`;
      const own = await connection.sdk('starting a bulk import', async (client) => {
        const { status, tasks } = await client.bulkInsert({ collection_name: name, files: [there] });
        checkStatus(status);
        return new Set(tasks.map(String));
      });
      await waitFor((task) => own.has(task), signal);
    } finally {
      await rm(here, { force: true });
    }
  };

  return {
    fromRows,
    settled: async (signal) => {
      // Those that failed long ago are nobody's concern.
      const under = await connection.sdk('reading the imports under way', async (client) => {
        const { status, tasks } = await client.listImportTasks({ collection_name: name });
        checkStatus(status);
        return tasks.filter(({ state }) => !/Failed|Completed/.test(state));
      });
      const ids = new Set(under.map(({ id }) => String(id)));
      await waitFor((task) => ids.has(task), signal).catch((error: unknown) => {
        if (signal.aborted) throw error;
      });
    },
    load: async (batches, { signal, onProgress }) => {
      let waiting: MilvusRow[] = [];
      let done = 0;
      const flush = async (): Promise<void> => {
        const rows = waiting;
        waiting = [];
        if (rows.length > 0) await take(rows, signal);
        done += rows.length;
        onProgress?.(done);
      };
      for await (const records of batches) {
        throwIfAborted(signal);
        const rows = records.map((record: VectorRecord) => toRow(record, spec, layout));
        const apart = rows.filter((row) => !isComplete(row));
        if (apart.length > 0) await upsertRows(apart);
        done += apart.length;
        waiting.push(...rows.filter(isComplete));
        if (waiting.length >= FILE_ROWS) await flush();
      }
      await flush();
    },
  };
}

/** Whether a row has all its numbers. */
function isComplete(row: MilvusRow): boolean {
  return Object.values(row).every((value) => typeof value !== 'number' || Number.isFinite(value));
}

/** A column of the file, by its name. */
type FileColumns = ReadonlyMap<string, SchemaElement[]>;

function fileColumns(spec: CollectionSpec, { lexical, apart }: RowLayout): FileColumns {
  const columns = [
    column('id', TEXT),
    listColumn('vector', FLOAT),
    column('hash', TEXT),
    listColumn(ITEM, TEXT),
    ...apart.map(({ field }) => column(itemColumnName(field), TEXT)),
    ...filterableFields(spec).map(({ name, type }) => fieldColumn(columnName(name), type)),
    ...(lexical ? [column(WORDS_TEXT, TEXT)] : []),
  ];
  return new Map(columns.map((elements) => [elements[0]?.name ?? '', elements]));
}

function fieldColumn(name: string, type: FieldType): SchemaElement[] {
  if (type === 'strings') return listColumn(name, TEXT);
  if (type === 'string') return column(name, TEXT);
  return column(name, type === 'boolean' ? { type: 'INT32', converted_type: 'INT_8' } : { type: 'DOUBLE' });
}

async function writeFile(file: string, columns: FileColumns, rows: readonly MilvusRow[]): Promise<void> {
  const writer = new ParquetWriter({
    writer: fileWriter(file),
    schema: schemaOf([...columns.values()]),
    createdBy: 'kindred',
  });
  await writer.write({
    columnData: [...columns.keys()].map((name) => ({
      name,
      data: rows.map((row) => row[name]),
      ...(name === 'vector' && { encoding: 'PLAIN' as const }),
    })),
    rowGroupSize: 10_000,
  });
  await writer.finish();
}
