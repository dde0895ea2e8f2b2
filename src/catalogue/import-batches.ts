import type { Catalogue } from './catalogue.js';
import { contentHash } from './hash.js';
import type { Item } from './item.js';
import { type Source, openSource } from './readers.js';
import { type Reject, cutRaw } from './rejects.js';
import type { SourceRow } from './source-row.js';
import { renderText } from './template.js';
import { parseRow } from './validate.js';

/** Bytes of rows after which a batch is full, however few they are: bounds memory when rows are huge. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;
/** Lines of a file fit below this, so that file and line make one number. */
const LINES = 2 ** 40;

/** A valid row, ready to be embedded. */
export interface PreparedRow {
  readonly file: string;
  readonly line: number;
  readonly item: Item;
  /** What models embed. */
  readonly text: string;
  /** Content hash of item and text. */
  readonly hash: string;
  /** Vectors that it brings itself, by version id. */
  readonly vectors: Readonly<Record<string, Float32Array>>;
  readonly raw: string;
}

/** A place in the files: which one, and which line. */
interface Position {
  readonly file: number;
  readonly line: number;
}

/** Consecutive rows, good and bad. */
export interface Batch {
  readonly rows: readonly PreparedRow[];
  readonly rejects: readonly Reject[];
  /** The last row in it. */
  readonly end: Position;
  /** Bytes of all files read when it was full. */
  readonly bytes: number;
}

export interface BatchOptions {
  readonly files: readonly string[];
  readonly catalogue: Catalogue;
  readonly maxLineBytes: number;
  /** Rows in a batch at most. */
  readonly batchSize: number;
  /** Dimensions of the live versions, by id. */
  readonly dimensions: Readonly<Record<string, number>>;
  /** Rows up to here are done: they are read only to know their keys. */
  readonly after?: Position;
  /** Where the first batch ends. */
  readonly firstEnd?: Position;
  readonly signal: AbortSignal;
}

/**
 * Reads the files into batches. Of rows with the same key the first valid one counts; later ones are rejected and say where it is. When a
 * file ends by an error, the rows before it come first, as a batch. An aborted signal ends the reading.
 */
export async function* readBatches(options: BatchOptions): AsyncGenerator<Batch> {
  const { files, maxLineBytes, batchSize, after, signal } = options;
  let { firstEnd } = options;
  const prepare = createPreparer(options);
  let rows: PreparedRow[] = [];
  let rejects: Reject[] = [];
  let size = 0;
  let end: Position = { file: 0, line: 0 };
  let bytesBefore = 0;

  const take = (bytes: number): Batch => {
    const batch = { rows, rejects, end, bytes };
    rows = [];
    rejects = [];
    size = 0;
    firstEnd = undefined;
    return batch;
  };
  const isFull = (): boolean => {
    if (firstEnd !== undefined) return !isBefore(end, firstEnd);
    return rows.length + rejects.length >= batchSize || size >= MAX_BATCH_BYTES;
  };

  for (const [file, path] of files.entries()) {
    const source = await openSource(path, maxLineBytes);
    let failure: { readonly error: unknown } | undefined;
    try {
      for await (const row of source.rows()) {
        if (signal.aborted) return;
        const position = { file, line: row.line };
        const prepared = prepare(row, position, source);
        if (after !== undefined && !isBefore(after, position)) continue;
        end = position;
        size += row.raw.length;
        if ('item' in prepared) rows.push(prepared);
        else rejects.push(prepared);
        if (isFull()) yield take(bytesBefore + source.bytesRead());
      }
    } catch (error) {
      failure = { error };
    } finally {
      await source.close();
    }
    if (failure !== undefined) {
      if (rows.length + rejects.length > 0) yield take(bytesBefore + source.bytesRead());
      throw failure.error;
    }
    bytesBefore += source.size;
  }
  if (rows.length + rejects.length > 0) yield take(bytesBefore);
}

/** Whether `a` comes before `b`. */
function isBefore(a: Position, b: Position): boolean {
  return a.file < b.file || (a.file === b.file && a.line < b.line);
}

/** Turns source rows into prepared ones or rejects; remembers every key, at about 100 bytes each. */
function createPreparer({
  files,
  catalogue,
  dimensions,
}: BatchOptions): (row: SourceRow, position: Position, source: Source) => PreparedRow | Reject {
  const seen = new Map<string, number>();
  const versions = Object.keys(dimensions);
  return (row, { file: index, line }, { format }) => {
    const file = files[index] ?? '';
    const reject = (reasons: readonly string[], id?: string): Reject => ({
      file,
      line,
      ...(id === undefined ? {} : { id }),
      reasons,
      row: cutRaw(row.raw),
    });
    if ('fault' in row) return reject([row.fault]);
    const parsed = parseRow(catalogue, row.row, { source: format, dimensions });
    if ('faults' in parsed) return reject(parsed.faults, parsed.id);
    const { item, vectors } = parsed;
    const text = renderText(catalogue, item);
    const needsText = versions.length === 0 || versions.some((version) => !Object.hasOwn(vectors, version));
    if (text === '' && needsText)
      return reject(
        ['template: expected a text, received nothing, as every field it names is missing'],
        item.id,
      );
    const first = seen.get(item.id);
    if (first !== undefined) {
      const where = `line ${String(first % LINES)} of ${files[Math.floor(first / LINES)] ?? ''}`;
      return reject([`${catalogue.key}: expected each key once, received one that ${where} has`], item.id);
    }
    seen.set(item.id, index * LINES + line);
    return { file, line, item, text, hash: contentHash(item, text), vectors, raw: cutRaw(row.raw) };
  };
}
