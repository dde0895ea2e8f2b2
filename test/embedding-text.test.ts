import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normaliseText } from '../src/embedding/text.js';
import { KindredError } from '../src/errors.js';

const limits = { textBytes: 100 };
const reasonOf = (text: string): unknown => {
  const result = normaliseText(text, limits);
  return result instanceof KindredError ? result.reason : result;
};

describe('normaliseText', () => {
  it.each(['', ' ', '\t\r\n', '\u200b', '\ufeff', '\u200b \u2060\u00ad', '\u0007', '\ufe0f', '\u3164'])(
    'T1: a text with nothing to see (%j) is EMPTY',
    (text) => {
      expect(reasonOf(text)).toBe('EMPTY');
    },
  );

  it.each(['\ud800', 'a\udc00b', '\udc00\ud800', 'a\u0000', '\ufffe', '\uffff'])(
    'T5: %j is BAD_TEXT',
    (text) => {
      expect(reasonOf(text)).toBe('BAD_TEXT');
    },
  );

  it('T5: whole surrogate pairs and other characters of a message stay', () => {
    expect(normaliseText('👩‍👩‍👧 \u202eabc\r\n\u001b[31m', limits)).toBe('👩‍👩‍👧 \u202eabc\r\n\u001b[31m');
  });

  it('T2: the limit counts bytes of UTF-8, not characters', () => {
    expect(reasonOf('é'.repeat(50))).toBe('é'.repeat(50));
    expect(reasonOf('é'.repeat(51))).toBe('TEXT_TOO_LONG');
    expect(reasonOf('x'.repeat(101))).toBe('TEXT_TOO_LONG');
  });

  it('T4: composed and decomposed forms of any text become the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 8 }), (text) => {
        const loose = { textBytes: 10_000 };
        expect(normaliseText(text.normalize('NFD'), loose)).toEqual(
          normaliseText(text.normalize('NFC'), loose),
        );
      }),
    );
  });

  it('never repeats the text in its message', () => {
    for (const text of ['secret\u0000', 'secret'.repeat(30)]) {
      const result = normaliseText(text, limits);
      expect(result).toBeInstanceOf(KindredError);
      expect(String(result)).not.toContain('secret');
    }
  });
});
