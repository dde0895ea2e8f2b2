import { isUtf8 } from 'node:buffer';
import { ImportError } from '../catalogue/import-error.js';
import { splitLines } from '../catalogue/lines.js';

/** A word and its vector. */
export interface VectorRow {
  /** Line of a text file, row of a binary one; from 1. */
  readonly line: number;
  /** In UTF-8. */
  readonly word: Buffer;
  /** `[dimension]`, every number finite. */
  readonly vector: Float32Array;
}

/** A row that can't be used. */
export interface BadVectorRow {
  readonly line: number;
  readonly fault: string;
}

/** Bytes by which the format is told. */
const SNIFFED_BYTES = 65_536;
const LONGEST_LINE = 1 << 20;
const LONGEST_WORD = 1_024;
const LARGEST_DIMENSION = 32_768;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
/** Tab, line feed and carriage return. */
const BLANKS: readonly number[] = [0x09, LINE_FEED, 0x0d];
/** The first line of both formats of word2vec: how many words there are, and how many numbers each has. */
const HEADER = /^(\d+)[ \t](\d+)[ \t\r]*$/;

/** What the header of a file tells. */
interface Header {
  readonly rows: number;
  readonly dimension: number;
}

/**
 * Reads word vectors, row by row: the text format of word2vec or GloVe (a word and its numbers a line, with or without a header), or
 * word2vec's binary format; told by the content. Throws ImportError for what is neither, or ends before its header says.
 */
export async function* readVectors(chunks: AsyncIterable<Buffer>): AsyncGenerator<VectorRow | BadVectorRow> {
  const source = chunks[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  while (start.length < SNIFFED_BYTES) {
    const next = await source.next();
    if (next.done === true) break;
    start = Buffer.concat([start, next.value]);
  }
  const whole = rejoined(start, source);
  const end = start.indexOf(LINE_FEED);
  const first = start.subarray(0, end === -1 ? start.length : end).toString('utf8');
  const [, rows, dimension] = HEADER.exec(first) ?? [];
  const header = dimension === undefined ? undefined : { rows: Number(rows), dimension: Number(dimension) };
  if (header && (header.dimension < 1 || header.dimension > LARGEST_DIMENSION))
    throw new ImportError(`expected a dimension from 1 to ${String(LARGEST_DIMENSION)}, received ${first}`);
  if (header && !isText(start.subarray(end + 1))) yield* readBinary(whole, end + 1, header);
  else yield* readText(whole, header);
}

async function* rejoined(start: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield start;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** Whether bytes after a header are text: numbers in binary have control characters, or are no UTF-8. */
function isText(bytes: Buffer): boolean {
  const end = bytes.indexOf(LINE_FEED);
  return (
    !bytes.some((byte) => byte < SPACE && !BLANKS.includes(byte)) &&
    isUtf8(bytes.subarray(0, end === -1 ? bytes.length : end))
  );
}

async function* readText(
  chunks: AsyncIterable<Buffer>,
  header: Header | undefined,
): AsyncGenerator<VectorRow | BadVectorRow> {
  let dimension = header?.dimension;
  let rows = 0;
  for await (const line of splitLines(chunks, LONGEST_LINE)) {
    if (header && line.line === 1) continue;
    if ('fault' in line) {
      rows += 1;
      yield { line: line.line, fault: line.fault };
      continue;
    }
    const text = line.text.trimEnd();
    if (text === '') continue;
    rows += 1;
    const fields = text.split(/[ \t]/);
    dimension ??= fields.length - 1;
    if (dimension < 1) throw new ImportError('expected a word and its numbers in line 1, received one word');
    yield textRow(line.line, fields, dimension);
  }
  checkCount(header, rows);
}

function textRow(line: number, fields: readonly string[], dimension: number): VectorRow | BadVectorRow {
  const [word = ''] = fields;
  if (word === '') return { line, fault: 'expected a word at the beginning' };
  if (fields.length !== dimension + 1)
    return {
      line,
      fault: `expected a word and ${String(dimension)} numbers, received ${String(fields.length - 1)}`,
    };
  const vector = new Float32Array(dimension);
  for (let at = 0; at < dimension; at++) {
    const text = fields[at + 1] ?? '';
    const value = Math.fround(Number(text));
    if (text === '' || !Number.isFinite(value))
      return { line, fault: `expected a number, received ${JSON.stringify(text.slice(0, 40))}` };
    vector[at] = value;
  }
  return { line, word: Buffer.from(word), vector };
}

async function* readBinary(
  chunks: AsyncIterable<Buffer>,
  headerBytes: number,
  header: Header,
): AsyncGenerator<VectorRow | BadVectorRow> {
  const vectorBytes = header.dimension * Float32Array.BYTES_PER_ELEMENT;
  let skip = headerBytes;
  let rest: Buffer = Buffer.alloc(0);
  let rows = 0;
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = Math.min(skip, rest.length);
    skip -= at;
    while (rows < header.rows) {
      // The original program ends each row with a line feed, others don't.
      while (rest[at] === LINE_FEED) at += 1;
      const space = rest.indexOf(SPACE, at);
      if ((space === -1 ? rest.length : space) - at > LONGEST_WORD)
        throw new ImportError(
          `expected a word of at most ${String(LONGEST_WORD)} bytes in row ${String(rows + 1)}`,
        );
      if (space === -1 || rest.length < space + 1 + vectorBytes) break;
      rows += 1;
      yield binaryRow(rows, rest.subarray(at, space), rest.subarray(space + 1, space + 1 + vectorBytes));
      at = space + 1 + vectorBytes;
    }
    rest = rest.subarray(at);
  }
  checkCount(header, rows);
}

function binaryRow(line: number, word: Buffer, bytes: Buffer): VectorRow | BadVectorRow {
  if (word.length === 0) return { line, fault: 'expected a word at the beginning' };
  if (!isUtf8(word) || word.includes(LINE_FEED)) return { line, fault: 'expected a word in UTF-8' };
  // A copy, since floats must start at a multiple of four.
  const vector = new Float32Array(Uint8Array.from(bytes).buffer);
  if (!vector.every((value) => Number.isFinite(value))) return { line, fault: 'expected finite numbers' };
  return { line, word: Buffer.from(word), vector };
}

function checkCount(header: Header | undefined, rows: number): void {
  if (header && rows !== header.rows)
    throw new ImportError(
      `expected ${String(header.rows)} words, as the first line says, received ${String(rows)}: the file is not whole`,
    );
}
