import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KindredError } from '../src/errors.js';
import { createCursors } from '../src/search/cursor.js';

const SECRET = 'one secret of these tests';
const hex = (digits: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: digits / 2, maxLength: digits / 2 })
    .map((bytes) => Buffer.from(bytes).toString('hex'));
const position = fc.record({
  version: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  mark: hex(12),
  fingerprint: hex(32),
  rank: fc.nat(2 ** 32 - 1),
  opening: fc.nat(2 ** 32 - 1),
});

function reasonOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof KindredError) return error.reason;
    throw error;
  }
  return undefined;
}

describe('cursors', () => {
  const cursors = createCursors(SECRET);

  it('open to the position that they were sealed with', () => {
    fc.assert(
      fc.property(position, (given) => {
        expect(cursors.open(cursors.seal(given))).toEqual(given);
      }),
    );
  });

  it('C1: a cursor with any bit of any byte flipped is BAD_CURSOR', () => {
    const sealed = Buffer.from(
      cursors.seal({
        version: 'v2',
        mark: '0123456789ab',
        fingerprint: 'f'.repeat(32),
        rank: 9,
        opening: 12,
      }),
      'base64url',
    );
    for (let byte = 0; byte < sealed.length; byte++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(sealed);
        flipped[byte] = sealed[byte]! ^ (1 << bit);
        expect(reasonOf(() => cursors.open(flipped.toString('base64url')))).toBe('BAD_CURSOR');
      }
    }
  });

  it('C1: a cursor with any character changed is BAD_CURSOR, also where the changed bits pad', () => {
    const sealed = cursors.seal({
      version: 'v22',
      mark: '0123456789ab',
      fingerprint: 'f'.repeat(32),
      rank: 9,
      opening: 12,
    });
    for (let index = 0; index < sealed.length; index++) {
      for (const character of 'AZaz09-_+/= ') {
        const changed = sealed.slice(0, index) + character + sealed.slice(index + 1);
        if (changed !== sealed) expect(reasonOf(() => cursors.open(changed))).toBe('BAD_CURSOR');
      }
    }
  });

  it('C1: random and truncated strings are BAD_CURSOR', () => {
    const sealed = cursors.seal({
      version: 'v2',
      mark: '0123456789ab',
      fingerprint: 'f'.repeat(32),
      rank: 9,
      opening: 12,
    });
    for (let length = 0; length < sealed.length; length++) {
      expect(reasonOf(() => cursors.open(sealed.slice(0, length)))).toBe('BAD_CURSOR');
    }
    expect(reasonOf(() => cursors.open(sealed + sealed))).toBe('BAD_CURSOR');
    expect(reasonOf(() => cursors.open('A'.repeat(10_000)))).toBe('BAD_CURSOR');
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(reasonOf(() => cursors.open(text))).toBe('BAD_CURSOR');
      }),
    );
  });

  it('C1: a cursor signed with another secret is BAD_CURSOR', () => {
    const foreign = createCursors('another secret of these tests');
    const sealed = foreign.seal({
      version: 'v2',
      mark: '0123456789ab',
      fingerprint: 'f'.repeat(32),
      rank: 9,
      opening: 12,
    });
    expect(reasonOf(() => cursors.open(sealed))).toBe('BAD_CURSOR');
  });
});
