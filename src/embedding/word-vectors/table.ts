import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Bytes of the first rows that stay in memory. Tables are in the order of frequency, so nearly every word of a text is among them. */
const HEAD_BYTES = 32 << 20;

export interface TableOptions {
  readonly path: string;
  readonly dimension: number;
  readonly storage: 'float32' | 'int8';
  /** Bytes that stay in memory; default 32 MiB. */
  readonly headBytes?: number;
}

/** The rows of a table of word vectors. */
export interface VectorTable {
  readonly rows: number;
  /** Adds `factor` times a row to `sum`, `[dimension]`. */
  add(row: number, factor: number, sum: Float64Array): void;
  close(): void;
}

/**
 * Opens a table of any size: the first rows are held, the others are read from the file when a word needs them. The operating system's
 * page cache holds those once for all workers, where a copy in each would take gigabytes.
 */
export function openTable({ path, dimension, storage, headBytes = HEAD_BYTES }: TableOptions): VectorTable {
  const rowBytes = dimension * (storage === 'int8' ? 1 : 4);
  const file = openSync(path, 'r');
  const { size } = fstatSync(file);
  const rows = size / rowBytes;
  if (!Number.isInteger(rows)) {
    closeSync(file);
    throw new Error(`expected rows of ${String(rowBytes)} bytes, but the table has ${String(size)}`);
  }
  const held = Math.min(rows, Math.floor(headBytes / rowBytes));
  const head = numbersOf(held * rowBytes);
  const single = numbersOf(rowBytes);
  read(head.bytes, 0);

  function numbersOf(length: number): { bytes: Uint8Array; numbers: Float32Array | Int8Array } {
    const bytes = new Uint8Array(length);
    return {
      bytes,
      numbers: storage === 'int8' ? new Int8Array(bytes.buffer) : new Float32Array(bytes.buffer),
    };
  }
  function read(into: Uint8Array, position: number): void {
    for (let done = 0; done < into.length;) {
      const bytes = readSync(file, into, done, into.length - done, position + done);
      if (bytes === 0) throw new Error('expected a whole table, but its file has become shorter');
      done += bytes;
    }
  }

  return {
    rows,
    add: (row, factor, sum) => {
      const inHead = row < held;
      if (!inHead) read(single.bytes, row * rowBytes);
      const { numbers } = inHead ? head : single;
      const start = inHead ? row * dimension : 0;
      for (let at = 0; at < dimension; at++) sum[at] = (sum[at] ?? 0) + factor * (numbers[start + at] ?? 0);
    },
    close: () => {
      closeSync(file);
    },
  };
}
