import { isUtf8 } from 'node:buffer';
import { ImportError } from './import-error.js';

const LF = 0x0a;
const CR = 0x0d;
/** Bytes of a refused line that are kept to show it. */
const SHOWN_BYTES = 512;

/** A line that can be read. */
export interface TextLine {
  /** Counted from 1. */
  readonly line: number;
  readonly text: string;
}

/** A line that can't: too long, or not UTF-8. */
export interface BadLine {
  readonly line: number;
  readonly fault: string;
  /** Its beginning. */
  readonly raw: string;
}

/**
 * Splits bytes into lines at LF, CRLF or CR, in any mixture, and drops a byte order mark. A line over `maxLineBytes` is never held in memory.
 * Throws ImportError for UTF-16.
 */
export async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  maxLineBytes: number,
): AsyncGenerator<TextLine | BadLine> {
  let line = 0;
  let parts: Buffer[] = [];
  let size = 0;
  let afterCr = false;

  const keep = (part: Buffer): void => {
    size += part.length;
    if (size <= maxLineBytes) parts.push(part);
    // A copy of the beginning frees the chunks that the line has filled so far.
    else if (parts.length !== 1 || (parts[0]?.length ?? 0) > SHOWN_BYTES)
      parts = [Buffer.concat([...parts, part.subarray(0, SHOWN_BYTES)]).subarray(0, SHOWN_BYTES)].map(
        (each) => Buffer.from(each),
      );
  };
  const finish = (): TextLine | BadLine => {
    line += 1;
    const bytes = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    const length = size;
    parts = [];
    size = 0;
    return readLine(line, line === 1 ? withoutMark(bytes) : bytes, length, maxLineBytes);
  };

  for await (const chunk of chunks) {
    if (chunk.length === 0) continue;
    let start = afterCr && chunk[0] === LF ? 1 : 0;
    afterCr = false;
    let lf = chunk.indexOf(LF, start);
    let cr = chunk.indexOf(CR, start);
    while (lf !== -1 || cr !== -1) {
      const end = lf === -1 ? cr : cr === -1 ? lf : Math.min(lf, cr);
      keep(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
      if (end === cr) {
        if (start === chunk.length) afterCr = true;
        else if (chunk[start] === LF) start += 1;
      }
      if (lf !== -1 && lf < start) lf = chunk.indexOf(LF, start);
      if (cr !== -1 && cr < start) cr = chunk.indexOf(CR, start);
    }
    keep(chunk.subarray(start));
  }
  if (size > 0) yield finish();
}

function readLine(line: number, bytes: Buffer, length: number, maxLineBytes: number): TextLine | BadLine {
  const raw = (): string => bytes.subarray(0, SHOWN_BYTES).toString('utf8');
  if (length > maxLineBytes) {
    const fault = `the line: expected at most ${String(maxLineBytes)} bytes, received ${String(length)}`;
    return { line, fault, raw: raw() };
  }
  if (!isUtf8(bytes)) return { line, fault: 'the line: expected UTF-8, received other bytes', raw: raw() };
  return { line, text: bytes.toString('utf8') };
}

function withoutMark(bytes: Buffer): Buffer {
  const [a, b, c] = bytes;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff))
    throw new ImportError('expected UTF-8, received UTF-16: save the file as UTF-8');
  return a === 0xef && b === 0xbb && c === 0xbf ? bytes.subarray(3) : bytes;
}
