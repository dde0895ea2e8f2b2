import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Embedder } from '../src/embedding/embedder.js';
import { type TextChoices, prepareText } from '../src/models/add-text.js';
import { type Added, addModel } from '../src/models/add.js';
import { readBundle } from '../src/models/bundle.js';
import type { TextManifest } from '../src/models/manifest.js';
import { externalFiles } from '../src/models/onnx-external.js';
import { asEmbedding, cosine } from './conformance/embedder.js';
import { type ExportOptions, HIDDEN, TABLE, WORDS, encoderGraph, writeExport } from './hf-export.js';
import { TYPES, encodeOnnx } from './onnx-graph.js';
import { serving } from './serving.js';

let folder: string;
let source: string;
let models: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-add-test-'));
  [source, models] = [join(folder, 'export'), join(folder, 'models')];
});
afterEach(() => rm(folder, { recursive: true }));

/** Adds the model of `source`. */
function add(choices: TextChoices = {}, more: { force?: boolean; dryRun?: boolean } = {}): Promise<Added> {
  const { force = false, dryRun = false } = more;
  const prepare = (target: string): ReturnType<typeof prepareText> =>
    prepareText('mine', source, target, choices);
  return addModel({ models, id: 'mine', force, dryRun, prepare });
}

const manifestOf = ({ bundle }: Added): TextManifest => bundle.manifest as TextManifest;

/** The vector of a text by definition: rows of the table, [CLS] and [SEP] included. */
function expected(text: string, pooling: 'mean' | 'cls' | 'last', dimension = HIDDEN): Float32Array {
  const ids = ['[CLS]', ...text.split(' '), '[SEP]'].map((word) => Math.max(WORDS.indexOf(word), 1));
  const rows = ids.map((id) => TABLE.slice(id * HIDDEN, (id + 1) * HIDDEN));
  const chosen = pooling === 'mean' ? rows : pooling === 'cls' ? rows.slice(0, 1) : rows.slice(-1);
  const sum = Array.from({ length: dimension }, (_, at) =>
    chosen.reduce((total, row) => total + row[at]!, 0),
  );
  const norm = Math.hypot(...sum);
  return Float32Array.from(sum, (value) => value / norm);
}

async function vectorsOf(embedder: Embedder, texts: readonly string[]): Promise<Float32Array[]> {
  const outcomes = await embedder.embed(texts, { purpose: 'document' });
  return outcomes.map((outcome) => asEmbedding(outcome).vector);
}

const TEXTS = ['red', 'blue shoe', 'a red hat for a green jacket', 'green green green'];

describe('kindred models add, of an export with a vector a token', () => {
  it.each(['mean', 'cls', 'last'] as const)(
    'serves %s pooling from the workers, alone and in a batch',
    async (pooling) => {
      await writeExport(source);
      await add({ pooling });
      await serving(join(models, 'mine'), async (embedder) => {
        const together = await vectorsOf(embedder, TEXTS);
        for (const [at, text] of TEXTS.entries()) {
          expect(cosine(together[at]!, expected(text, pooling))).toBeGreaterThan(0.99999);
          const [alone] = await vectorsOf(embedder, [text]);
          expect(cosine(alone!, together[at]!)).toBeGreaterThan(0.99999);
        }
      });
    },
  );

  it('finds pooling, limits, name, licence and prompts in the folder', async () => {
    await writeExport(
      source,
      {},
      {
        'config_sentence_transformers.json': { prompts: { query: 'red ', passage: 'blue ' } },
        '1_Pooling/config.json': { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false },
      },
    );
    expect(manifestOf(await add())).toMatchObject({
      name: 'tests/tiny',
      licence: 'apache-2.0',
      pooling: 'cls',
      poolingInGraph: false,
      normalize: false,
      maxTokens: 32,
      dimension: HIDDEN,
      prompts: { query: 'red ', document: 'blue ' },
      inputs: ['input_ids', 'attention_mask', 'token_type_ids'],
      output: 'last_hidden_state',
    });
    await serving(join(models, 'mine'), async (embedder) => {
      const [query] = await embedder.embed(['shoe'], { purpose: 'query' });
      expect(asEmbedding(query).tokens).toBe(4);
    });
  });

  it('takes the last token, as newer files of sentence-transformers name it, and what the operator says before all files', async () => {
    await writeExport(source, {}, { '1_Pooling/config.json': { pooling_mode: 'lasttoken' } });
    expect(manifestOf(await add()).pooling).toBe('last');
    const choices = {
      pooling: 'mean',
      name: 'Mine',
      queryPrefix: 'red ',
      licence: 'MIT',
      maxTokens: 8,
    } as const;
    const again = manifestOf(await add(choices, { force: true }));
    expect(again).toMatchObject({ pooling: 'mean', name: 'Mine', licence: 'MIT', maxTokens: 8 });
    expect(again.prompts).toEqual({ query: 'red ', document: '' });
  });

  it.each<[string, ExportOptions]>([
    ['int32 inputs', { type: TYPES.int32 }],
    ['position ids', { inputs: ['input_ids', 'attention_mask', 'position_ids'] }],
    ['token ids alone', { inputs: ['input_ids'] }],
    ['weights in a file beside the graph', { external: 'model.onnx_data' }],
  ])('feeds a graph with %s', async (_, options) => {
    await writeExport(source, options);
    await add();
    await serving(join(models, 'mine'), async (embedder) => {
      const [short, long] = await vectorsOf(embedder, ['red', TEXTS[2]!]);
      const [alone] = await vectorsOf(embedder, ['red']);
      expect(cosine(short!, alone!)).toBeGreaterThan(0.99999);
      if (options.inputs?.includes('position_ids') !== true)
        expect(cosine(long!, expected(TEXTS[2]!, 'mean'))).toBeGreaterThan(0.99999);
    });
  });

  it('cuts vectors to a dimension and normalises them again, and tells which smaller ones clients may ask for', async () => {
    await writeExport(source, {}, { 'config.json': { matryoshka_dimensions: [8, 4, 2] } });
    expect(manifestOf(await add({ dimension: 4 }))).toMatchObject({
      dimension: 4,
      outputDimension: HIDDEN,
      matryoshka: [2],
    });
    await serving(join(models, 'mine'), async (embedder) => {
      expect(embedder.model).toMatchObject({ dimension: 4, matryoshka: [2] });
      const [vector] = await vectorsOf(embedder, ['blue shoe']);
      expect(vector).toHaveLength(4);
      expect(Math.hypot(...vector!)).toBeCloseTo(1, 5);
      expect(cosine(vector!, expected('blue shoe', 'mean', 4))).toBeGreaterThan(0.99999);
    });
  });

  it('reads texts whole and unpadded, whatever truncation and padding the tokenizer.json has', async () => {
    await writeExport(source);
    await add();
    const json = JSON.parse(await readFile(join(models, 'mine/tokenizer.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(json).toMatchObject({ truncation: null, padding: null });
    await serving(join(models, 'mine'), async (embedder) => {
      const [outcome] = await embedder.embed([TEXTS[2]!], { purpose: 'document' });
      expect(asEmbedding(outcome)).toMatchObject({ tokens: 9, truncated: false });
    });
  });
});

describe("kindred models add, of an export with a text's vector", () => {
  it('takes it before the vectors of tokens, and leaves pooling and norm to the graph', async () => {
    await writeExport(source, { ends: 'sentence' });
    expect(manifestOf(await add())).toMatchObject({
      output: 'sentence_embedding',
      poolingInGraph: true,
      normalize: true,
    });
    await serving(join(models, 'mine'), async (embedder) => {
      const [vector] = await vectorsOf(embedder, ['blue shoe']);
      expect(cosine(vector!, expected('blue shoe', 'mean'))).toBeGreaterThan(0.99999);
    });
  });

  it('takes another output that is named', async () => {
    await writeExport(source, { ends: 'sentence' });
    expect(manifestOf(await add({ output: 'last_hidden_state' })).poolingInGraph).toBe(false);
    await expect(add({ output: 'logits' }, { force: true })).rejects.toThrow(
      /expected the output logits .* received last_hidden_state \(1 x \d+ x 8\), sentence_embedding \(1 x 8\)/,
    );
  });
});

describe('kindred models add refuses, saying what to do', () => {
  const refused: [string, ExportOptions, Record<string, object | string | null>, TextChoices, RegExp][] = [
    [
      'a folder without tokenizer.json',
      {},
      { 'tokenizer.json': null },
      {},
      /expected a tokenizer\.json; write one .*save_pretrained/,
    ],
    [
      'a folder without a graph',
      {},
      { 'onnx/model.onnx': null },
      {},
      /expected model\.onnx .*optimum-cli export onnx/,
    ],
    [
      'several graphs',
      {},
      { 'onnx/model.onnx': null, 'a.onnx': 'x', 'b.onnx': 'y' },
      {},
      /a\.onnx, b\.onnx; choose with --model/,
    ],
    [
      'a pointer of Git LFS',
      {},
      { 'onnx/model.onnx': 'version https://git-lfs.github.com/spec/v1\n' },
      {},
      /protobuf|git lfs pull/,
    ],
    [
      'vectors that are not finite',
      { table: TABLE.map(() => NaN) },
      {},
      {},
      /can't serve: expected a vector of norm 1 .*NOT_FINITE/,
    ],
    ['zero vectors', { table: TABLE.map(() => 0) }, {}, {}, /ZERO_NORM/],
    ['no pooling', {}, { '1_Pooling/config.json': null }, {}, /--pooling mean, cls or last/],
    [
      'two poolings at once',
      {},
      { '1_Pooling/config.json': { pooling_mode_cls_token: true, pooling_mode_mean_tokens: true } },
      {},
      /received cls_token and mean_tokens/,
    ],
    [
      'a dimension above the output',
      {},
      {},
      { dimension: 9 },
      /expected a dimension of at most 8, which the graph gives, received 9/,
    ],
    [
      'a dense layer that the graph lacks',
      {},
      { 'modules.json': [{ path: '2_Dense', type: 'sentence_transformers.models.Dense' }] },
      {},
      /ends before sentence_transformers\.models\.Dense/,
    ],
    [
      'inputs of another kind of model',
      { inputs: ['input_ids', 'past_key_values.0'] },
      {},
      {},
      /received past_key_values\.0; export it for feature extraction/,
    ],
    ['a mean that counts padding', { ends: 'careless' }, {}, {}, /the graph reads padding as text/],
    [
      'fewer positions than maxTokens',
      { inputs: ['input_ids', 'position_ids'] },
      {},
      { maxTokens: 100 },
      /fails on a text of 100 tokens.*--max-tokens/,
    ],
    ['broken JSON', {}, { 'config.json': '{' }, {}, /config\.json: expected JSON/],
  ];
  it.each(refused)('%s', async (_, options, files, choices, message) => {
    await writeExport(source, options, files);
    await expect(add(choices)).rejects.toThrow(message);
    expect(existsSync(models) ? await readdir(models) : []).toEqual([]);
  });

  it('weights that lie outside the folder of the graph', async () => {
    await writeExport(source, { external: 'model.onnx_data' });
    await writeFile(join(source, 'onnx/model.onnx'), encodeOnnx(encoderGraph({ external: '../../secret' })));
    await expect(add()).rejects.toThrow('expected its weights in its folder, received ../../secret');
  });

  it('an id that is taken, unless told to replace it; the old one stays until the new one is proved', async () => {
    await writeExport(source);
    const { bundle } = await add();
    await expect(add()).rejects.toThrow('--force to replace it');
    await writeExport(source, { table: TABLE.map(() => NaN) });
    await expect(add({}, { force: true })).rejects.toThrow('NOT_FINITE');
    expect((await readBundle(join(models, 'mine'))).digest).toBe(bundle.digest);
    await writeExport(source, { table: TABLE.map((value) => value / 2 + 0.1) });
    const replaced = await add({}, { force: true });
    expect(replaced.bundle.digest).not.toBe(bundle.digest);
    expect(await readdir(models)).toEqual(['mine']);
  });

  it('an id that is no name of a folder', async () => {
    await writeExport(source);
    const prepare = (target: string): ReturnType<typeof prepareText> => prepareText('..', source, target, {});
    for (const id of ['..', '../mine', '', '.mine', 'a/b'])
      await expect(addModel({ models, id, force: true, dryRun: false, prepare })).rejects.toThrow(
        'expected an id of',
      );
  });

  it('nothing on a dry run, and keeps nothing either', async () => {
    await writeExport(source);
    expect(manifestOf(await add({}, { dryRun: true })).dimension).toBe(HIDDEN);
    expect(existsSync(models)).toBe(false);
  });
});

describe('externalFiles', () => {
  it('names the files of the weights, and none when the graph holds them', () => {
    expect(externalFiles(encodeOnnx(encoderGraph({ external: 'parts/a.bin' })))).toEqual(['parts/a.bin']);
    expect(externalFiles(encodeOnnx(encoderGraph()))).toEqual([]);
  });

  it('refuses what is cut off', () => {
    const whole = encodeOnnx(encoderGraph());
    expect(() => externalFiles(whole.subarray(0, whole.length - 9))).toThrow('no whole protobuf message');
  });
});
