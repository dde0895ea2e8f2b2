import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../src/embedding/onnx/tokenizer.js';
import { createWordPiece } from '../src/embedding/onnx/wordpiece.js';
import { packageRoot } from '../src/package-root.js';

const read = (path: string): string => readFileSync(packageRoot(path), 'utf8');
const bert = JSON.parse(read('deploy/models/v2/tokenizer.json')) as Record<string, object>;
const linesOf = <T>(path: string): T[] =>
  read(path)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

interface Case {
  readonly text: string;
  readonly ids: number[];
}
const cases = linesOf<Case>('test/fixtures/wordpiece-cases.jsonl');
const others = linesOf<{ kind: string; tokenizer: object; cases: Case[] }>('test/fixtures/tokenizers.jsonl');
const readText = createWordPiece(bert)!;
const encode = createTokenizer(bert, 32);
const encodeLong = createTokenizer(bert, 8_192);
const changed = (part: string, changes: object): object => ({
  ...bert,
  [part]: { ...bert[part], ...changes },
});

describe('WordPiece as BERT has it', () => {
  it('has at least 200 texts to agree on', () => expect(cases.length).toBeGreaterThan(200));

  it.each(cases)("T4: reads $text as Python's tokenizers does", ({ text, ids }) => {
    const received: number[] = [];
    readText(text, received, Infinity);
    expect(received).toEqual(ids);
  });

  it('reads what was cut off in a surrogate pair as an unknown character, and the text after it as ever', () => {
    expect(encode('a \ud83d b').ids).toEqual([101, 1037, 100, 1038, 102]);
    expect(encode('a \ude00').ids).toEqual([101, 1037, 100, 102]);
    expect(encode('shoe').ids).toEqual([101, 10818, 102]);
  });

  it('leaves nothing of one text in the next, whatever hostile words came before', () => {
    const before = encode('crème brûlée torch');
    for (let word = 0; word < 20_000; word++) encode(`x${word.toString(36)}\u0301`.repeat(1 + (word % 50)));
    expect(encode('crème brûlée torch')).toEqual(before);
  });

  it.each([
    ['one letter', 'x'],
    ['one accent', '\u0301'],
    ['accents that NFD reorders', '\u0345\u0301\u0323\u0334'],
    ['other marks that it reorders', '\u302e\u{1d165}'],
    ['ideographs', '\u4e2d'],
    ['syllables', '\ud55c'],
    ['punctuation', '! '],
  ])('T2: a mebibyte of %s is read to the limit, of a long-context model too, and told as cut', (_, unit) => {
    const text = unit.repeat((1 << 20) / unit.length);
    for (const [limit, encodeTo] of [
      [32, encode],
      [8_192, encodeLong],
    ] as const) {
      const { ids, truncated } = encodeTo(text);
      expect(truncated).toBe(true);
      expect(ids.length).toBeLessThanOrEqual(limit);
      expect(ids.at(-1)).toBe(102);
    }
  });
});

describe('which tokenizer.json has the fast path', () => {
  it.each([
    ['cased', changed('normalizer', { lowercase: false })],
    [
      'with BertProcessing',
      { ...bert, post_processor: { type: 'BertProcessing', sep: ['[SEP]', 102], cls: ['[CLS]', 101] } },
    ],
  ])('BERT %s has it', (_, json) => {
    expect(createWordPiece(json)).toBeDefined();
    expect(createTokenizer(json, 32)('a jacket').ids).toEqual([101, 1037, 6598, 102]);
  });

  it.each([
    ['another normalizer', changed('normalizer', { type: 'Lowercase' })],
    ['another pre-tokenizer', changed('pre_tokenizer', { type: 'Whitespace' })],
    ['no unknown token', changed('model', { unk_token: '[NONE]' })],
    ['words without a bound', changed('model', { max_input_chars_per_word: 1e9 })],
    [
      'added tokens that are words',
      { ...bert, added_tokens: [{ id: 1, content: 'gore-tex', special: false }] },
    ],
  ])('%s has not', (_, json) => expect(createWordPiece(json)).toBeUndefined());
});

describe.each(others)('the library, for $kind', ({ tokenizer, cases }) => {
  it('is what reads it', () => expect(createWordPiece(tokenizer)).toBeUndefined());

  it("reads texts as Python's tokenizers does", () => {
    const encode = createTokenizer(tokenizer, 128);
    expect(cases.map(({ text }) => encode(text).ids)).toEqual(cases.map(({ ids }) => ids));
  });

  it('T3: reads special tokens of a text as text', () => {
    const encode = createTokenizer(tokenizer, 128);
    const [first, last] = [encode('a').ids[0], encode('a').ids.at(-1)];
    for (const text of ['<s>', '</s>', 'boots</s>hat', '[CLS]', '[SEP]']) {
      const content = encode(text).ids.slice(1, -1);
      expect(content).not.toContain(first);
      expect(content).not.toContain(last);
    }
  });

  it('T2: cuts at the limit and says so', () => {
    const encode = createTokenizer(tokenizer, 16);
    const { ids, truncated } = encode('warm boots '.repeat(50_000));
    expect(truncated).toBe(true);
    expect(ids).toEqual([
      ...createTokenizer(tokenizer, 128)('warm boots '.repeat(20)).ids.slice(0, 15),
      ids.at(-1),
    ]);
  });
});
