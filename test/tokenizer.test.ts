import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../src/embedding/onnx/tokenizer.js';
import { packageRoot } from '../src/package-root.js';

const json = JSON.parse(readFileSync(packageRoot('deploy/models/v2/tokenizer.json'), 'utf8')) as object;
const [PAD, CLS, SEP, MASK] = [0, 101, 102, 103];
const encode = createTokenizer(json, 32);

describe('the tokenizer', () => {
  it('puts the special tokens of the template around the text', () => {
    expect(encode('a waterproof jacket')).toEqual({
      ids: [CLS, 1037, 2300, 18907, 6598, SEP],
      content: 4,
      truncated: false,
    });
  });

  it.each(['[CLS]', '[SEP]', '[PAD]', '[MASK]', 'shoes [SEP] hats', 'a[SEP]b', '[SEP][SEP]'])(
    'T3: a literal special token in %j is read as text',
    (text) => {
      const { ids } = encode(text);
      const content = ids.slice(1, -1);
      for (const special of [PAD, CLS, SEP, MASK]) expect(content).not.toContain(special);
      expect(content).toEqual(encode(text.replaceAll(/\[(\w+)\]/g, '[ $1 ]')).ids.slice(1, -1));
    },
  );

  it.each(['<s>', '</s>', '<|endoftext|>'])('T3: %s, special to other models, is text', (text) => {
    expect(encode(text).ids.slice(1, -1)).not.toContain(100);
    expect(encode(text).content).toBeGreaterThan(2);
  });

  it('cuts at the limit and keeps the closing special token', () => {
    const whole = encode(Array.from({ length: 30 }, () => 'shoe').join(' '));
    expect(whole).toMatchObject({ content: 30, truncated: false });
    const cut = encode(Array.from({ length: 31 }, () => 'shoe').join(' '));
    expect(cut).toMatchObject({ content: 30, truncated: true });
    expect(cut.ids).toHaveLength(32);
    expect(cut.ids.at(-1)).toBe(SEP);
  });

  it('T2: a long text reads like its beginning, whatever its slices are', () => {
    const roomy = createTokenizer(json, 30_000);
    const word = fc.stringMatching(/^[a-z0-9.,\-[\]]{1,40}$/);
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 20, maxLength: 200 }),
        fc.constantFrom(' ', '\n', '  '),
        (words, space) => {
          const text = words.join(space);
          const all = roomy(text).ids.slice(1, -1);
          const { ids, truncated } = encode(text);
          expect(ids.slice(1, -1)).toEqual(all.slice(0, 30));
          expect(truncated).toBe(all.length > 30);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('T2: trailing white space does not count as dropped text', () => {
    const text = Array.from({ length: 30 }, () => 'shoe').join(' ') + ' '.repeat(5_000);
    expect(encode(text)).toMatchObject({ content: 30, truncated: false });
  });

  it.each([
    ['without any space', 'ab1'.repeat(20_000)],
    ['of one letter a word', 'a '.repeat(30_000)],
    ['of words that no vocabulary knows', `${'q'.repeat(98)}\u{1F600} `.repeat(600)],
    ['of Chinese characters', '\u4e2d\u6587'.repeat(10_000)],
  ])('T2: a text %s is read to a bound, and the flag says that it was cut', (_, text) => {
    const { ids, truncated } = encode(text);
    expect(truncated).toBe(true);
    expect(ids.length).toBeLessThanOrEqual(32);
    expect(ids.at(-1)).toBe(SEP);
    // Nothing behind the bound is looked at.
    expect(encode(text.slice(0, 1_000) + ' tail'.repeat(10_000)).ids).toEqual(ids);
  });

  it('has no content for a text that the model reads nothing of', () => {
    expect(encode('\u0301\u0301')).toEqual({ ids: [CLS, SEP], content: 0, truncated: false });
  });

  it('refuses a limit that leaves no room for text', () => {
    expect(() => createTokenizer(json, 2)).toThrow(
      'expected a maxTokens above the special tokens, but got 2',
    );
  });
});
