import { rename, rm } from 'node:fs/promises';
import {
  type AsyncBuffer,
  type FileMetaData,
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
} from 'hyparquet';
import { ParquetWriter, fileWriter } from 'hyparquet-writer';
import { z } from 'zod';
import { badInput, throwIfAborted } from '../errors.js';
import type { Item } from '../catalogue/item.js';
import type { MigrationSource } from './migrate.js';
import { FLOAT, TEXT, column, listColumn, schemaOf } from './parquet-columns.js';
import type { Collection, VectorRecord } from './store.js';

/** Rows of a row group: some ten megabytes with their vectors. */
const GROUP_ROWS = 5_000;
/** Records read from the store at once. */
const SCAN_ROWS = 1_000;
/** Key of the file's metadata under which the passport is. */
const PASSPORT = 'kindred';

const passportSchema = z.object({
  format: z.literal(1),
  entity: z.string(),
  modelVersion: z.string(),
  modelDigest: z.string(),
  dimension: z.int().min(1),
});

/** Which model made the vectors of a file, and of what. */
export type VectorPassport = Omit<z.infer<typeof passportSchema>, 'format'>;

/** `hash` is the content hash, `item` JSON of all fields. */
const SCHEMA = schemaOf([
  column('id', TEXT),
  listColumn('vector', FLOAT),
  column('hash', TEXT),
  column('item', TEXT),
]);

const rowSchema = z.object({
  id: z.string(),
  vector: z.array(z.number()),
  hash: z.string(),
  item: z.string(),
});

export interface ExportOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: { readonly total: number; readonly read: number }) => void;
}

/**
 * Writes every record of `collection` to `file`, a Parquet file, and answers how many. The file is there as a whole or not at all: until then it is
 * `file` with `.partial` behind it.
 */
export async function exportParquet(
  collection: Collection,
  file: string,
  passport: VectorPassport,
  { signal, onProgress }: ExportOptions,
): Promise<number> {
  const total = await collection.count();
  const partial = `${file}.partial`;
  let read = 0;
  try {
    const output = fileWriter(partial);
    const writer = new ParquetWriter({
      writer: output,
      schema: SCHEMA,
      kvMetadata: [{ key: PASSPORT, value: JSON.stringify({ format: 1, ...passport }) }],
      createdBy: 'kindred',
    });
    for await (const group of groups(collection, signal)) {
      await writer.write({ columnData: columnsOf(group), rowGroupSize: GROUP_ROWS });
      read += group.length;
      onProgress?.({ total, read });
    }
    await writer.finish();
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  return read;
}

/** A file that {@link exportParquet} wrote. */
export interface VectorFile extends MigrationSource {
  readonly passport: VectorPassport;
}

/** Opens a file. BAD_USER_INPUT where it is none of ours or damaged. */
export async function openParquet(file: string): Promise<VectorFile> {
  const { buffer, metadata, passport } = await readHead(file);
  return {
    passport,
    count: () => Promise.resolve(Number(metadata.num_rows)),
    async *scan({ batch, signal }) {
      const rows = Number(metadata.num_rows);
      for (let from = 0; from < rows; from += batch) {
        throwIfAborted(signal);
        yield await readRows(file, buffer, metadata, from, Math.min(rows, from + batch), passport.dimension);
      }
    },
  };
}

async function readHead(
  file: string,
): Promise<{ buffer: AsyncBuffer; metadata: FileMetaData; passport: VectorPassport }> {
  const buffer = await asyncBufferFromFile(file);
  try {
    const metadata = await parquetMetadataAsync(buffer);
    const text = metadata.key_value_metadata?.find(({ key }) => key === PASSPORT)?.value;
    return { buffer, metadata, passport: passportSchema.parse(JSON.parse(text ?? 'null')) };
  } catch (error) {
    throw notOurs(file, error);
  }
}

async function readRows(
  file: string,
  buffer: AsyncBuffer,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
  dimension: number,
): Promise<VectorRecord[]> {
  try {
    const rows = await parquetReadObjects({ file: buffer, metadata, rowStart, rowEnd });
    return z
      .array(rowSchema)
      .length(rowEnd - rowStart)
      .parse(rows)
      .map(({ id, vector, hash, item }) => {
        if (vector.length !== dimension) throw new Error(`a vector has ${String(vector.length)} numbers`);
        return {
          item: { id, fields: JSON.parse(item) as Item['fields'] },
          hash,
          vector: Float32Array.from(vector),
        };
      });
  } catch (error) {
    throw notOurs(file, error);
  }
}

function notOurs(file: string, cause: unknown): Error {
  const error = badInput(`${file} is damaged, or not a file that \`kindred store export\` wrote`);
  error.cause = cause;
  return error;
}

async function* groups(collection: Collection, signal: AbortSignal): AsyncGenerator<VectorRecord[]> {
  let group: VectorRecord[] = [];
  for await (const records of collection.scan({ batch: SCAN_ROWS, signal })) {
    group.push(...records);
    if (group.length < GROUP_ROWS) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function columnsOf(group: readonly VectorRecord[]): { name: string; data: unknown[]; encoding?: 'PLAIN' }[] {
  return [
    { name: 'id', data: group.map(({ item }) => item.id) },
    // A dictionary of numbers of which no two are equal costs and gains nothing.
    { name: 'vector', data: group.map(({ vector }) => Array.from(vector)), encoding: 'PLAIN' },
    { name: 'hash', data: group.map(({ hash }) => hash) },
    { name: 'item', data: group.map(({ item }) => JSON.stringify(item.fields)) },
  ];
}
