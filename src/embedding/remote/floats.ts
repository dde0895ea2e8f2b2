import { endianness } from 'node:os';
import { badAnswer } from './fault.js';
import type { RawVector } from './protocol.js';

/** The float32 numbers in `bytes`, little endian, as a copy. Throws RemoteFault `refused` when they are not whole. */
export function littleEndianFloats(bytes: Buffer): Float32Array {
  if (bytes.length % 4 !== 0)
    throw badAnswer(`expected whole float32 numbers, but got ${String(bytes.length)} bytes`);
  const floats = new Float32Array(bytes.length / 4);
  const target = Buffer.from(floats.buffer);
  bytes.copy(target);
  if (endianness() === 'BE') target.swap32();
  return floats;
}

/** Cuts `[count, dimension]` into rows. Throws RemoteFault `refused` when it does not divide. */
export function rowsOf(flat: RawVector, count: number): RawVector[] {
  const width = flat.length / count;
  if (!Number.isInteger(width) || width === 0)
    throw badAnswer(`expected ${String(count)} rows, but got ${String(flat.length)} numbers`);
  return Array.from({ length: count }, (_, row) => flat.slice(row * width, (row + 1) * width));
}
