import { crc32 } from 'node:zlib';
import type { Embedding } from '../embedding/embedder.js';

const FORMAT = 'v1';

/**
 * An embedding as text, `v1|dimension|tokens|truncated|base64|checksum`: base64 of little-endian float32 costs a hundredth of JSON
 * numbers to read, and every store keeps text. (onnxruntime runs on little-endian machines only.)
 */
export function encodeEmbedding({ vector, tokens, truncated }: Embedding): string {
  const base64 = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
  const body = [FORMAT, vector.length, tokens, truncated ? 1 : 0, base64].join('|');
  return `${body}|${checksum(body)}`;
}

/** The embedding behind a cached value; undefined, which is a miss, for anything that `encodeEmbedding` did not write for `dimension`. */
export function decodeEmbedding(value: unknown, dimension: number): Embedding | undefined {
  if (typeof value !== 'string') return undefined;
  const end = value.lastIndexOf('|');
  const body = value.slice(0, Math.max(end, 0));
  const [format, length, tokens, truncated, base64 = '', ...rest] = body.split('|');
  if (format !== FORMAT || Number(length) !== dimension || rest.length > 0) return undefined;
  if (value.slice(end + 1) !== checksum(body)) return undefined;
  const vector = new Float32Array(dimension);
  // Written straight into the vector's own buffer: one that Buffer.from returns need not be aligned to 4 bytes.
  if (Buffer.from(vector.buffer).write(base64, 'base64') !== vector.byteLength) return undefined;
  return { vector, tokens: Number(tokens), truncated: truncated === '1' };
}

/** It tells a damaged value from a whole one; against forging there is only access control to the store. */
function checksum(body: string): string {
  return crc32(body).toString(16);
}
