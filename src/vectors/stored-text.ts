import { createHash } from 'node:crypto';

/**
 * What a store whose texts are bounded holds of one that filters compare: the text, or its beginning and a digest of all of it, which keeps
 * equality and costs order, which there is none of. `bytes` are those of UTF-8 that are kept of the text itself.
 */
export function storedText(value: string, bytes: number): string {
  if (value.length * 3 <= bytes || Buffer.byteLength(value, 'utf8') <= bytes) return value;
  const beginning = Buffer.from(value, 'utf8')
    .subarray(0, bytes)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
  // Longer than any text that is stored as it is, so the two can't be equal.
  return `${beginning}${' '.repeat(8)}${createHash('sha256').update(value).digest('hex')}`;
}
