import { RANGES } from './wordpiece-ranges.js';

/** Bits of a code point's classes. */
export const REMOVED = 1;
export const SPACE = 2;
export const PUNCTUATION = 4;
export const IDEOGRAPH = 8;
export const MARK = 16;
export const CANONICAL = 32;
const BITS: Record<keyof typeof RANGES, number> = {
  REMOVED,
  SPACE,
  PUNCTUATION,
  IDEOGRAPH,
  MARK,
  CANONICAL,
};

/** Those of the classes `wanted` that each code point has, by code point; surrogates have none. */
export function classTable(wanted: number): Uint8Array {
  const table = new Uint8Array(0x110000);
  for (const [name, ranges] of Object.entries(RANGES)) {
    const bit = BITS[name as keyof typeof RANGES] & wanted;
    if (bit === 0) continue;
    let end = 0;
    for (const range of ranges.split(' ')) {
      const [gap = '', length = '1'] = range.split('-');
      const start = end + parseInt(gap, 36);
      end = start + parseInt(length, 36);
      for (let code = start; code < end; code++) table[code] = (table[code] ?? 0) | bit;
    }
  }
  return table;
}
