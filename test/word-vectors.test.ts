import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Embedder } from '../src/embedding/embedder.js';
import { createPrincipalDirection, sifWeight, zipfProbabilities } from '../src/embedding/word-vectors/sif.js';
import { openTable } from '../src/embedding/word-vectors/table.js';
import { createVocabulary, parseVocabulary } from '../src/embedding/word-vectors/vocabulary.js';
import { createWordReader } from '../src/embedding/word-vectors/words.js';
import { type WordVectorChoices, prepareWordVectors } from '../src/models/add-word-vectors.js';
import { type Added, addModel } from '../src/models/add.js';
import type { WordVectorsManifest } from '../src/models/manifest.js';
import type { BadVectorRow } from '../src/models/vector-file.js';
import { packageRoot } from '../src/package-root.js';
import { asEmbedding, cosine } from './conformance/embedder.js';
import { pythonForTests } from './python.js';
import { serving } from './serving.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-words-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A small table in the order of frequency. */
const VECTORS: Record<string, number[]> = {
  the: [1, 1, 1],
  red: [1, 0, 0],
  shoe: [0, 1, 0],
  blue: [0.5, 0, -1],
  "n't": [0, 0.25, 0.5],
  do: [0.125, 0, 0.5],
  'e-mail': [-1, 0.5, 0],
};

const text = (vectors: Record<string, number[]>): string =>
  Object.entries(vectors)
    .map(([word, numbers]) => `${word} ${numbers.join(' ')}\n`)
    .join('');
const header = (vectors: Record<string, number[]>): string =>
  `${String(Object.keys(vectors).length)} ${String(Object.values(vectors)[0]!.length)}\n`;
const binary = (vectors: Record<string, number[]>, end = '\n'): Buffer =>
  Buffer.concat([
    Buffer.from(header(vectors)),
    ...Object.entries(vectors).map(([word, numbers]) =>
      Buffer.concat([
        Buffer.from(`${word} `),
        Buffer.from(Float32Array.from(numbers).buffer),
        Buffer.from(end),
      ]),
    ),
  ]);

/** Writes a file of word vectors and adds it as `mine`. */
async function add(content: string | Buffer, choices: WordVectorChoices = {}): Promise<Added> {
  const file = join(folder, 'vectors');
  await writeFile(file, content);
  const prepare = (target: string): ReturnType<typeof prepareWordVectors> =>
    prepareWordVectors('mine', file, target, choices);
  return addModel({ models: folder, id: 'mine', force: true, dryRun: false, prepare });
}

const embed = (texts: string[]): ReturnType<Embedder['embed']> =>
  serving(join(folder, 'mine'), (embedder) => embedder.embed(texts, { purpose: 'query' }));

/** The weighted sum of words by definition, of norm 1. */
function average(words: string[], a = 0.001): Float32Array {
  const names = Object.keys(VECTORS);
  const zipf = names.map((_, row) => 1 / (row + 1));
  const total = zipf.reduce((sum, value) => sum + value);
  const sum = [0, 0, 0].map((_, at) =>
    words.reduce(
      (all, word) => all + (a / (a + zipf[names.indexOf(word)]! / total)) * VECTORS[word]![at]!,
      0,
    ),
  );
  return Float32Array.from(sum, (value) => value / Math.hypot(...sum));
}

describe('kindred models add --word-vectors', () => {
  it.each<[string, string | Buffer]>([
    ["GloVe's text format", text(VECTORS)],
    ["word2vec's text format", header(VECTORS) + text(VECTORS)],
    ['text with CRLF and a space at the end of lines', text(VECTORS).replaceAll('\n', ' \r\n')],
    ["word2vec's binary format", binary(VECTORS)],
    ['binary without line feeds', binary(VECTORS, '')],
    ['gzip', gzipSync(text(VECTORS))],
    ['binary in gzip', gzipSync(binary(VECTORS))],
  ])('reads %s, and averages with SIF weights', async (_, content) => {
    const { bundle } = await add(content);
    expect(bundle.manifest).toMatchObject({
      kind: 'word-vectors',
      dimension: 3,
      lowerCase: true,
      phrases: 1,
    });
    const outcomes = await embed(['The RED shoe, the red... shoe', 'an unknown blue', "don't e-mail"]);
    const words = [['the', 'red', 'shoe', 'the', 'red', 'shoe'], ['blue'], ['do', "n't", 'e-mail']];
    outcomes.forEach((outcome, at) => {
      expect(cosine(asEmbedding(outcome).vector, average(words[at]!))).toBeGreaterThan(0.99999);
    });
    expect(outcomes.map((outcome) => asEmbedding(outcome).tokens)).toEqual([6, 3, 3]);
  });

  it('refuses a text without a known word as ZERO_NORM, and one without any word as EMPTY; neighbours are answered', async () => {
    await add(text(VECTORS));
    const outcomes = await embed(['unknown words only', '!!! ...', 'red']);
    expect(outcomes).toMatchObject([{ reason: 'ZERO_NORM' }, { reason: 'EMPTY' }, { tokens: 1 }]);
  });

  it('reads a text up to its limit and says that it was cut', async () => {
    await add(text(VECTORS), { maxTokens: 2 });
    const [outcome] = await embed(['red red shoe']);
    expect(asEmbedding(outcome)).toMatchObject({ tokens: 2, truncated: true });
    expect(cosine(asEmbedding(outcome).vector, average(['red']))).toBeGreaterThan(0.99999);
  });

  it('keeps int8 rows with a scale each, close to the float32 ones', async () => {
    await add(text(VECTORS), { quantize: true });
    expect(await readFile(join(folder, 'mine/vectors.bin'))).toHaveLength(Object.keys(VECTORS).length * 3);
    const [outcome] = await embed(['blue shoe']);
    expect(cosine(asEmbedding(outcome).vector, average(['blue', 'shoe']))).toBeGreaterThan(0.999);
  });

  it('takes weights from counts of words, or none at all', async () => {
    const counts = join(folder, 'counts.txt');
    await writeFile(counts, 'shoe 900\nred\t100\nother 0\n');
    await add(text(VECTORS), { frequencies: counts });
    const weights = new Float32Array(
      Uint8Array.from(await readFile(join(folder, 'mine/weights.bin'))).buffer,
    );
    expect([...weights]).toEqual([0, 0.1, 0.9, 0, 0, 0, 0].map((p) => Math.fround(sifWeight(p))));
    await add(text(VECTORS), { a: 0 });
    const [outcome] = await embed(['the red shoe']);
    expect(cosine(asEmbedding(outcome).vector, Float32Array.of(2, 2, 1))).toBeGreaterThan(0.99999);
    await writeFile(counts, 'shoe many\n');
    await expect(add(text(VECTORS), { frequencies: counts })).rejects.toThrow(
      'line 1: expected a word and its count',
    );
  });

  it('takes out the direction that given texts have in common', async () => {
    const texts = join(folder, 'texts.txt');
    await writeFile(texts, 'red\nred red\nunknown\n');
    const { bundle } = await add(text(VECTORS), { removeComponent: texts, probe: 'red shoe' });
    expect((bundle.manifest as WordVectorsManifest).component).toBeTypeOf('string');
    const outcomes = await embed(['red shoe', 'red']);
    expect(cosine(asEmbedding(outcomes[0]).vector, Float32Array.of(0, 1, 0))).toBeGreaterThan(0.99999);
    expect(outcomes[1]).toMatchObject({ reason: 'ZERO_NORM' });
  });

  it('tells case apart where the vocabulary does, and joins phrases that it knows', async () => {
    const vectors = { us: [1, 0], US: [0, 1], apple: [1, 1], new_york: [-1, 0], york: [1, -1] };
    const { bundle } = await add(text(vectors), { a: 0, probe: 'apple' });
    expect(bundle.manifest).toMatchObject({ lowerCase: false, phrases: 2 });
    const outcomes = await embed(['US', 'us', 'Apple', 'new york']);
    expect(
      outcomes.map((outcome) => [...asEmbedding(outcome).vector].map((value) => Math.round(value * 10))),
    ).toEqual([
      [0, 10],
      [10, 0],
      [7, 7],
      [-10, 0],
    ]);
  });

  it('leaves out rows that can be no vectors, with the line of each, and keeps the first of a repeated word', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 30 }, (_, at) => [`word${String(at)}`, [at + 1, 1, 1]]),
    );
    const lines = text({ ...VECTORS, ...many }).split('\n');
    lines.splice(
      2,
      0,
      'short 1 2',
      'long 1 2 3 4',
      'odd 1 x 3',
      'huge 1 1e99 3',
      'nan NaN 1 1',
      ' 1 2 3',
      'red 9 9 9',
    );
    const bad: BadVectorRow[] = [];
    const { bundle } = await add(lines.join('\n'), { onBadRow: (row) => bad.push(row) });
    expect(bad).toEqual([
      { line: 3, fault: 'expected a word and 3 numbers, received 2' },
      { line: 4, fault: 'expected a word and 3 numbers, received 4' },
      { line: 5, fault: 'expected a number, received "x"' },
      { line: 6, fault: 'expected a number, received "1e99"' },
      { line: 7, fault: 'expected a number, received "NaN"' },
      { line: 8, fault: 'expected a word at the beginning' },
      { line: 9, fault: 'the word stands in the file before' },
    ]);
    expect(bundle.manifest.description).toContain('37 word vectors');
    expect(cosine(asEmbedding((await embed(['red']))[0]).vector, average(['red']))).toBeGreaterThan(0.99999);
  });

  it.each<[string, string | Buffer, RegExp]>([
    [
      'a text file that its header says is longer',
      `9 3\n${text(VECTORS)}`,
      /expected 9 words, .* received 7: the file is not whole/,
    ],
    ['a binary file that is cut off', binary(VECTORS).subarray(0, -5), /expected 7 words, .* received 6/],
    [
      'prose',
      'It was the best of times, it was\nthe worst of times\n'.repeat(30),
      /expected word vectors, but 20 of 20 rows are none/,
    ],
    ['an empty file', '', /received none that can be used/],
    ['broken gzip', gzipSync(text(VECTORS)).subarray(0, 40), /gzip/],
  ])('refuses %s', async (_, content, message) => {
    await expect(add(content)).rejects.toThrow(message);
    expect(existsSync(join(folder, 'mine'))).toBe(false);
  });

  it('X8: a table that was cut, swapped or damaged is refused at load', async () => {
    await add(text(VECTORS));
    const path = join(folder, 'mine/vectors.bin');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, -4));
    await expect(serving(join(folder, 'mine'), () => Promise.resolve())).rejects.toThrow(
      /vectors\.bin: expected 84 bytes, but got 80/,
    );
    bytes[5] = 0x55;
    await writeFile(path, bytes);
    await expect(serving(join(folder, 'mine'), () => Promise.resolve())).rejects.toThrow(
      /vectors\.bin: expected SHA-256/,
    );
  });
});

/** Whether a string has no half of a surrogate pair, which UTF-8 can't hold. */
const isWhole = (word: string): boolean => Buffer.from(word).toString() === word;

describe('the parts of word vectors', () => {
  it('a vocabulary finds every word in its row, and no other, like a Map', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', minLength: 1 }), { maxLength: 200 }),
        fc.string(),
        (words, other) => {
          const vocabulary = createVocabulary();
          const rows = new Map<string, number>();
          for (const word of words.filter(isWhole)) {
            const row = vocabulary.add(Buffer.from(word));
            expect(row).toBe(rows.has(word) ? -1 : rows.size);
            if (row >= 0) rows.set(word, row);
          }
          for (const [word, row] of rows) expect(vocabulary.rowOf(word)).toBe(row);
          if (isWhole(other)) expect(vocabulary.rowOf(other)).toBe(rows.get(other) ?? -1);
          expect(vocabulary.size()).toBe(rows.size);
        },
      ),
    );
  });

  it('a vocabulary of many words grows, and its file reads back', () => {
    const words = Array.from({ length: 20_000 }, (_, row) => `wort-${String(row)}-ü`);
    const vocabulary = parseVocabulary(Buffer.from(`${words.join('\n')}\n`));
    expect(vocabulary.size()).toBe(words.length);
    expect([0, 9_999, 19_999].map((row) => vocabulary.rowOf(words[row]!))).toEqual([0, 9_999, 19_999]);
    expect(vocabulary.rowOf('x'.repeat(5_000))).toBe(-1);
    expect(() => parseVocabulary(Buffer.from('a\nb\na\n'))).toThrow('line 3 repeats one');
  });

  it('a table gives the same rows from memory and from the file', async () => {
    const path = join(folder, 'table.bin');
    const numbers = Float32Array.from({ length: 40 }, (_, at) => at / 8);
    await writeFile(path, Buffer.from(numbers.buffer));
    const [whole, partly] = [
      openTable({ path, dimension: 4, storage: 'float32' }),
      openTable({ path, dimension: 4, storage: 'float32', headBytes: 33 }),
    ];
    for (let row = 0; row < 10; row++) {
      const [a, b] = [new Float64Array(4), new Float64Array(4)];
      whole.add(row, 2, a);
      partly.add(row, 2, b);
      expect([...a]).toEqual([...numbers.subarray(row * 4, row * 4 + 4)].map((value) => value * 2));
      expect(b).toEqual(a);
    }
    [whole, partly].forEach((table) => {
      table.close();
    });
    expect(() => openTable({ path, dimension: 3, storage: 'float32' })).toThrow('expected rows of 12 bytes');
  });

  it('words of scripts without spaces are found, and any text of any script is read without a fault', () => {
    const vocabulary = parseVocabulary(Buffer.from('今天\n天气\nнога\n3.5\nat&t\n'));
    const read = createWordReader({ vocabulary, lowerCase: true, phrases: 3, maxWords: 50 });
    expect(read('今天天气').rows).toEqual([0, 1]);
    expect(read('Нога, 3.5 — AT&T!').rows).toEqual([2, 3, 4]);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (any) => {
        const { rows, words } = read(any);
        expect(words).toBeLessThanOrEqual(50);
        expect(rows.every((row) => row >= 0 && row < 5)).toBe(true);
      }),
    );
  });

  it("Zipf's probabilities sum to 1 and weights grow with the rank", () => {
    const probabilities = zipfProbabilities(1_000);
    expect(probabilities.reduce((sum, value) => sum + value)).toBeCloseTo(1, 9);
    expect(probabilities[0]! / probabilities[9]!).toBeCloseTo(10, 9);
    expect(sifWeight(probabilities[0]!)).toBeLessThan(sifWeight(probabilities[999]!));
    expect(sifWeight(0)).toBe(1);
  });

  it('the principal direction is the one that explains most', () => {
    const principal = createPrincipalDirection(3);
    expect(principal.direction()).toBeUndefined();
    for (let at = -10; at <= 10; at++) principal.add(Float64Array.of(at * 3, at * 4 + (at % 2), at % 3));
    expect(Math.abs(cosine(principal.direction()!, Float32Array.of(0.6, 0.8, 0)))).toBeGreaterThan(0.99);
  });
});

/** Of 400,000; they are most of every text. */
const GLOVE_WORDS = 50_000;
const STS = packageRoot('../shared/data/sts-ccbysa/dev.tsv');
const { python, skip } = pythonForTests('glove');
describe.skipIf(skip !== undefined)(
  `GloVe 6B, 50,000 words of 50 dimensions${skip === undefined ? '' : ` (${skip})`}`,
  () => {
    let glove: string;
    beforeAll(async () => {
      glove = await mkdtemp(join(tmpdir(), 'kindred-glove-'));
      execFileSync(python, [packageRoot('test/python/glove.py'), glove, String(GLOVE_WORDS)]);
    });
    afterAll(() => rm(glove, { recursive: true }));

    /** Spearman's correlation with people's scores, of the table added from `file`. */
    async function correlation(file: string, choices: WordVectorChoices = {}): Promise<number> {
      const prepare = (target: string): ReturnType<typeof prepareWordVectors> =>
        prepareWordVectors('mine', join(glove, file), target, choices);
      await addModel({ models: folder, id: 'mine', force: true, dryRun: false, prepare });
      const pairs = readFileSync(STS, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split('\t'));
      const vectors = (await embed(pairs.flatMap(([, , a = '', b = '']) => [a, b]))).map(
        (each) => asEmbedding(each).vector,
      );
      return spearman(
        pairs.map((_, at) => cosine(vectors[2 * at]!, vectors[2 * at + 1]!)),
        pairs.map(([, score]) => Number(score)),
      );
    }

    it.skipIf(!existsSync(STS))(
      `agrees with people on sentences, better with SIF weights, from text and binary alike${existsSync(STS) ? '' : ' (it needs ../shared/data/sts-ccbysa)'}`,
      async () => {
        const [plain, binaryFile] = [
          await correlation('glove.bin', { a: 0 }),
          await correlation('glove.bin'),
        ];
        expect(binaryFile).toBeGreaterThan(0.55);
        expect(binaryFile).toBeGreaterThan(plain + 0.05);
        expect(await correlation('glove.txt', { limit: 40_000, quantize: true })).toBeGreaterThan(0.55);
      },
    );
  },
);

function spearman(a: readonly number[], b: readonly number[]): number {
  return pearson(ranks(a), ranks(b));
}

/** Ranks, ties sharing their mean. */
function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const less = values.filter((other) => other < value).length;
    return less + (values.filter((other) => other === value).length - 1) / 2;
  });
}

function pearson(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [a.map((value) => value - mean(a)), b.map((value) => value - mean(b))];
  const dot = (left: readonly number[], right: readonly number[]): number =>
    left.reduce((sum, value, at) => sum + value * right[at]!, 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}
