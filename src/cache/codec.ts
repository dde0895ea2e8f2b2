import { crc32 } from 'node:zlib';
import type { Embedding } from '../embedding/embedder.js';

const FORMAT = 'v2';
/** Bytes around the base64: format, dimension, tokens, flag and checksum at their longest, with their separators. */
const FRAME_BYTES = 48;

/**
 * An embedding as text, `v2|dimension|tokens|truncated|base64|checksum`: base64 of little-endian float32 costs a hundredth of JSON
 * numbers to read, and every store keeps text. (onnxruntime runs on little-endian machines only.) The checksum covers `key` too, so
 * that a value which comes back under another key is no value.
 */
export function encodeEmbedding(key: string, { vector, tokens, truncated }: Embedding): string {
  const base64 = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
  const body = [FORMAT, vector.length, tokens, truncated ? 1 : 0, base64].join('|');
  return `${body}|${checksum(key, body)}`;
}

/**
 * The embedding behind the value under `key`; undefined, which is a miss, for anything that `encodeEmbedding` did not write for this
 * key and `dimension`, and for a vector with a number that is not finite.
 */
export function decodeEmbedding(key: string, value: unknown, dimension: number): Embedding | undefined {
  if (typeof value !== 'string' || value.length > maxEncodedBytes(dimension)) return undefined;
  const end = value.lastIndexOf('|');
  const body = value.slice(0, Math.max(end, 0));
  const [format, length, tokens, truncated, base64 = '', ...rest] = body.split('|');
  if (format !== FORMAT || Number(length) !== dimension || rest.length > 0) return undefined;
  if (value.slice(end + 1) !== checksum(key, body)) return undefined;
  if (base64.length !== base64Bytes(dimension) || !/^\d{1,10}$/.test(tokens ?? '')) return undefined;
  const vector = new Float32Array(dimension);
  // Written straight into the vector's own buffer: one that Buffer.from returns need not be aligned to 4 bytes.
  if (Buffer.from(vector.buffer).write(base64, 'base64') !== vector.byteLength) return undefined;
  if (!allFinite(vector)) return undefined;
  return { vector, tokens: Number(tokens), truncated: truncated === '1' };
}

/** Bytes of a value for `dimension` at most: what is longer need not be read. */
export function maxEncodedBytes(dimension: number): number {
  return base64Bytes(dimension) + FRAME_BYTES;
}

function base64Bytes(dimension: number): number {
  return Math.ceil((dimension * 4) / 3) * 4;
}

/** The sum of numbers is finite only when all of them are, and needs no test for each. */
function allFinite(vector: Float32Array): boolean {
  let sum = 0;
  for (const value of vector) sum += value;
  return Number.isFinite(sum);
}

/** It tells a damaged value from a whole one; against forging there is only access control to the store. */
function checksum(key: string, body: string): string {
  return crc32(body, crc32(key)).toString(16);
}
