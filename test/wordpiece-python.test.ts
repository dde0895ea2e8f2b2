import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createWordPiece } from '../src/embedding/onnx/wordpiece.js';
import {
  CANONICAL,
  IDEOGRAPH,
  MARK,
  PUNCTUATION,
  REMOVED,
  SPACE,
  classTable,
} from '../src/embedding/onnx/wordpiece-classes.js';
import { packageRoot } from '../src/package-root.js';
import { encodeByPython } from './python-tokenizers.js';
import { pythonForTests } from './python.js';

const { python, skip } = pythonForTests('tokenizers');
const bundle = JSON.parse(readFileSync(packageRoot('deploy/models/v2/tokenizer.json'), 'utf8')) as Record<
  string,
  object
>;
const recorded = readFileSync(packageRoot('test/fixtures/wordpiece-cases.jsonl'), 'utf8');
// Python would find special tokens in a text before it reads it; Kindred reads them as text, and so does a tokenizer that has none.
const bert: typeof bundle = { ...bundle, added_tokens: [] };

const classes = classTable(CANONICAL | IDEOGRAPH | MARK | PUNCTUATION | REMOVED | SPACE);
const surrogate = (code: number): boolean => code >= 0xd800 && code < 0xe000;
const hangul = (code: number): boolean => code >= 0xac00 && code < 0xd7a4;
/**
 * Whether a code point reads the same by right. All but its case is recorded from Python; case is that of this Node's Unicode, which knows
 * no letter that is younger than itself: what it doesn't assign is left out. Planes from 4 on have no letters in any version.
 */
const comparable = (code: number): boolean =>
  !surrogate(code) && (code >= 0x40000 || !/\p{Cn}/u.test(String.fromCodePoint(code)));
const codePoints = Array.from({ length: 0x110000 }, (_, code) => code).filter(comparable);

/** Numbers below a bound, from a fixed seed (xorshift32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Texts of 1 to 24 characters, each from one of the pools, which are changed between seldom, often or at every character. */
function randomTexts(count: number, pools: readonly (readonly number[])[], seed: number): string[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, () => {
    const stay = random(8);
    let pool = pools[random(pools.length)]!;
    return Array.from({ length: 1 + random(24) }, () => {
      if (random(8) >= stay) pool = pools[random(pools.length)]!;
      return String.fromCodePoint(pool[random(pool.length)]!);
    }).join('');
  });
}

const having = (bits: number, from = codePoints): number[] =>
  from.filter((code) => ((classes[code] ?? 0) & bits) !== 0);
const plain = codePoints.filter((code) => code < 0x20000 && !hangul(code) && classes[code] === 0);
/** Marks that strip_accents keeps, but that NFD puts in order. */
const reordered = (code: number): boolean =>
  ((classes[code] ?? 0) & MARK) === 0 && String.fromCodePoint(code).normalize('NFD').codePointAt(0) === code;
const pools = [
  codePoints,
  plain,
  plain.filter((code) => code < 0x250),
  Array.from('etaoinshrdlu'.repeat(3) + 'bcfgjkmpqvwxyz0123456789ETAOIN', (char) => char.charCodeAt(0)),
  [32],
  having(CANONICAL).filter((code) => !hangul(code)),
  having(MARK),
  having(CANONICAL).filter(reordered),
  having(PUNCTUATION),
  having(SPACE),
  having(REMOVED).filter((code) => code < 0xf0000),
  having(IDEOGRAPH),
  codePoints.filter(hangul),
];

/** A tokenizer.json whose vocabulary tells apart all characters that `codes` can turn into: no difference hides behind an unknown word. */
function tellingApart(codes: readonly number[], normalizer: object): object {
  const chars = new Set<string>();
  for (const code of codes) {
    const char = String.fromCodePoint(code);
    for (const form of [char, char.normalize('NFD'), char.toLowerCase(), char.normalize('NFD').toLowerCase()])
      for (const each of form) chars.add(each);
  }
  const pieces = ['[UNK]', ...chars, ...[...chars].map((char) => `##${char}`)];
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  return {
    ...bert,
    normalizer: { ...bert.normalizer, ...normalizer },
    model: { ...bert.model, vocab },
    post_processor: null,
  };
}

/** The first texts that Python reads otherwise. */
function differences(tokenizer: object, texts: readonly string[], expected: readonly number[][]): object[] {
  expect(expected).toHaveLength(texts.length);
  const read = createWordPiece(tokenizer)!;
  const found: object[] = [];
  texts.forEach((text, at) => {
    const ids: number[] = [];
    read(text, ids, Infinity);
    const python = expected[at]!;
    if (ids.length !== python.length || ids.some((id, each) => id !== python[each]))
      found.push({ text: JSON.stringify(text), ids, python });
  });
  return found.slice(0, 10);
}

describe.skipIf(skip !== undefined)(`beside Python's tokenizers${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('the recorded cases are what Python says today', () => {
    const script = packageRoot('test/python/wordpiece_cases.py');
    expect(execFileSync(python, [script], { encoding: 'utf8', maxBuffer: 1 << 26 })).toBe(recorded);
  });

  it('T4: 100,000 random Unicode strings read the same', async () => {
    const texts = randomTexts(100_000, pools, 20_240_607);
    const [expected = []] = await encodeByPython(python, [{ tokenizer: bert, texts }]);
    expect(differences(bert, texts, expected)).toEqual([]);
  });

  it('T4: every character reads the same between two letters, alone and beside a mark', async () => {
    // Private planes and planes without characters are all alike: some of theirs do.
    const codes = codePoints.filter((code) => code < 0x40000 || code % 97 === 0 || code >> 16 === 14);
    const telling = codes.filter(
      (code) => code < 0x20000 && !hangul(code) && !((classes[code] ?? 0) & IDEOGRAPH),
    );
    const tokenizer = tellingApart(telling, {});
    const texts: string[] = [];
    for (let at = 0; at < codes.length; at += 64) {
      const chars = codes.slice(at, at + 64).map((code) => String.fromCodePoint(code));
      texts.push(chars.map((char) => `a${char}b ${char} q${char}\u0323`).join(' '));
    }
    const [expected = []] = await encodeByPython(python, [{ tokenizer, texts }]);
    expect(differences(tokenizer, texts, expected)).toEqual([]);
  });

  it('T4: every setting of the normalizer reads random strings and the recorded cases the same', async () => {
    const cases = recorded
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { text: string }).text);
    const random = randomFrom(7);
    const some = pools.map((pool) => Array.from({ length: 250 }, () => pool[random(pool.length)]!));
    const both = [true, false];
    const jobs = both.flatMap((clean_text) =>
      both.flatMap((handle_chinese_chars) =>
        [null, ...both].flatMap((strip_accents) =>
          both.map((lowercase, at) => ({
            tokenizer: tellingApart(
              [...some.flat(), ...cases.flatMap((text) => Array.from(text, (char) => char.codePointAt(0)!))],
              {
                clean_text,
                handle_chinese_chars,
                strip_accents,
                lowercase,
              },
            ),
            texts: [...cases, ...randomTexts(1_000, some, 31 + at)],
          })),
        ),
      ),
    );
    expect(jobs).toHaveLength(24);
    const expected = await encodeByPython(python, jobs);
    expect(jobs.map(({ tokenizer, texts }, at) => differences(tokenizer, texts, expected[at]!))).toEqual(
      jobs.map(() => []),
    );
  });
});
