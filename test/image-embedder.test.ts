import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import type { EmbedOutcome, Embedder } from '../src/embedding/embedder.js';
import { type ImageSource, createImageReader } from '../src/embedding/image/source.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { type OnnxPool, createOnnxPool } from '../src/embedding/onnx/pool.js';
import { KindredError } from '../src/errors.js';
import { readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { type Telemetry, noTelemetry } from '../src/telemetry.js';
import { asEmbedding, cosine } from './conformance/embedder.js';
import { writeColourBundle } from './image-graphs.js';
import { type Rgb, plain } from './images.js';

const RED: Rgb = [250, 5, 5];
const GREEN: Rgb = [5, 250, 5];
const BLUE: Rgb = [5, 5, 250];
const flags = {
  'images.enabled': 'true',
  'images.maxQueueImages': '8',
  'images.maxQueueBytes': '100000',
  'embedding.threads': '2',
  'embedding.watchdogMs': '2000',
};
const config = loadConfig({ env: {}, flags });
const reader = createImageReader({ limits: config.images });

let folder: string;
let pool: OnnxPool;
/** Images in each batch of a test. */
let batches: number[];
let telemetry: Telemetry;
let opened: Embedder[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-images-'));
  await writeColourBundle(join(folder, 'image'), 'image', 'image');
  await writeColourBundle(join(folder, 'dual'), 'dual', 'dual');
  const silent = noTelemetry();
  const batchTexts = { record: (count: number): void => void batches.push(count) };
  telemetry = { ...silent, metrics: { ...silent.metrics, batchTexts } };
  const workerUrl = pathToFileURL(packageRoot('test/fixtures/faulty-worker.mjs'));
  pool = createOnnxPool({ config: config.embedding, telemetry, workerUrl });
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  batches = [];
  opened = [];
});
afterEach(async () => {
  for (const embedder of opened) await embedder.close();
});

async function open(path: string, settings = config): Promise<Required<Embedder>> {
  const bundle = await readBundle(path);
  const embedder = await createLocalEmbedder({ bundle, pool, config: settings, telemetry });
  opened.push(embedder);
  const { embedImages } = embedder;
  if (!embedImages) throw new Error('expected an embedder of images');
  return { ...embedder, embedImages };
}

const openImage = (settings = config): Promise<Required<Embedder>> => open(join(folder, 'image'), settings);

async function source(image: Buffer): Promise<ImageSource> {
  const read = await reader.read({ base64: image.toString('base64') });
  if (read instanceof KindredError) throw read;
  return read;
}

const coloured = async (colour: Rgb, side = 16): Promise<ImageSource> =>
  source(await plain(colour, side, side).png().toBuffer());

const vectorOf = (outcome: EmbedOutcome | undefined): Float32Array => asEmbedding(outcome).vector;

/** Which of three colours a vector is. */
function hue(outcome: EmbedOutcome | undefined): string | undefined {
  const vector = vectorOf(outcome);
  return ['red', 'green', 'blue'][vector.indexOf(Math.max(...vector))];
}

describe('a model that reads images', () => {
  it('gives each image a vector of norm 1, in their order, also over several session runs', async () => {
    const embedder = await openImage();
    const images = await Promise.all(
      [RED, GREEN, BLUE, BLUE, RED, GREEN].map((colour, at) => coloured(colour, 10 + at)),
    );
    const outcomes = await embedder.embedImages(images, { purpose: 'document' });
    expect(outcomes.map(hue)).toEqual(['red', 'green', 'blue', 'blue', 'red', 'green']);
    for (const outcome of outcomes) {
      expect(Math.hypot(...vectorOf(outcome))).toBeCloseTo(1, 5);
      expect(asEmbedding(outcome)).toMatchObject({ tokens: 0, truncated: false });
    }
  });

  it('gives an image the same vector alone and in a batch', async () => {
    const embedder = await openImage();
    const images = await Promise.all([RED, GREEN, BLUE].map((colour) => coloured(colour)));
    const together = await embedder.embedImages(images, { purpose: 'document' });
    for (const [at, image] of images.entries()) {
      const [alone] = await embedder.embedImages([image], { purpose: 'query' });
      expect(cosine(vectorOf(alone), vectorOf(together[at]))).toBeGreaterThan(0.99999);
    }
  });

  it('I6: an image that can not be decoded fails alone', async () => {
    const embedder = await openImage();
    const whole = await plain(RED, 64, 64).png().toBuffer();
    const cut = await source(whole.subarray(0, whole.length - 40));
    const [first, damaged, last] = await embedder.embedImages(
      [await coloured(RED), cut, await coloured(BLUE)],
      {
        purpose: 'document',
      },
    );
    expect([hue(first), hue(last)]).toEqual(['red', 'blue']);
    expect(damaged).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'BAD_IMAGE' });
  });

  it('I3: pixels are counted once more where they are decoded', async () => {
    const narrow = loadConfig({ env: {}, flags: { ...flags, 'images.maxPixels': '255' } });
    const embedder = await openImage(narrow);
    const [outcome] = await embedder.embedImages([await coloured(RED, 16)], { purpose: 'document' });
    expect(outcome).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'IMAGE_TOO_LARGE' });
  });

  it('embeds the same image once for all who ask for it at the same time', async () => {
    const embedder = await openImage();
    const image = await coloured(GREEN);
    const outcomes = await Promise.all(
      Array.from({ length: 5 }, () => embedder.embedImages([image, image], { purpose: 'document' })),
    );
    expect(outcomes.flat().map(hue)).toEqual(Array.from({ length: 10 }, () => 'green'));
    expect(batches).toEqual([1]);
  });

  it('refuses texts as FEATURE_UNSUPPORTED', async () => {
    const embedder = await openImage();
    const [outcome] = await embedder.embed(['red'], { purpose: 'query' });
    expect(outcome).toMatchObject({ code: 'FEATURE_UNSUPPORTED' });
    expect((outcome as KindredError).message).toContain('image');
  });

  it('is OVERLOADED when too many images or bytes wait', async () => {
    const embedder = await openImage();
    const many = await Promise.all(Array.from({ length: 9 }, (_, at) => coloured(RED, 20 + at)));
    await expect(embedder.embedImages(many, { purpose: 'document' })).rejects.toMatchObject({
      code: 'OVERLOADED',
    });
    const large = await Promise.all(
      [1, 2].map(async (at) => ({ ...(await coloured(RED, 30 + at)), bytes: Buffer.alloc(60_000) })),
    );
    await expect(embedder.embedImages(large, { purpose: 'document' })).rejects.toMatchObject({
      code: 'OVERLOADED',
    });
    expect(hue((await embedder.embedImages(many.slice(0, 8), { purpose: 'document' }))[7])).toBe('red');
  });

  it('answers an image whose caller has left with the reason', async () => {
    const embedder = await openImage();
    const left = new KindredError('REQUEST_CANCELLED', 'The client went away.');
    const [outcome] = await embedder.embedImages([await coloured(RED)], {
      purpose: 'document',
      signal: AbortSignal.abort(left),
    });
    expect(outcome).toBe(left);
  });

  it.each(['exit', 'hang'])('X5: an image whose worker dies (%s) goes to another', async (fault) => {
    const embedder = await openImage();
    const marker = join(folder, fault);
    const image = await plain(RED).png().toBuffer();
    const fatal = await source(Buffer.concat([image, Buffer.from(`fault:${fault}:${marker}`)]));
    const outcomes = await embedder.embedImages([fatal, await coloured(BLUE)], { purpose: 'document' });
    expect(outcomes.map(hue)).toEqual(['red', 'blue']);
    expect(existsSync(marker)).toBe(true);
  });

  it.each([
    [{ output: 'nothing' }, /expected the input pixels and an output nothing/],
    [{ input: 'other' }, /expected the input other/],
    [{ width: 5 }, /Got invalid dimensions|got 5|Expected: 4/i],
    [{ colours: 'BGR' }, /cosine/],
  ])('is refused when its graph is not as model.json says: %j', async (changes, reason) => {
    const name = join(folder, `broken-${Object.keys(changes).join('')}`);
    await writeColourBundle(name, 'broken', 'image', changes);
    await expect(pool.load(await readBundle(name))).rejects.toThrow(reason);
  });
});

describe('a dual encoder', () => {
  it('puts images and texts into one space', async () => {
    const embedder = await open(join(folder, 'dual'));
    const texts = await embedder.embed(['red', 'green', 'blue'], { purpose: 'query' });
    const images = await embedder.embedImages(
      await Promise.all([RED, GREEN, BLUE].map((colour) => coloured(colour))),
      { purpose: 'document' },
    );
    expect(texts.map(hue)).toEqual(['red', 'green', 'blue']);
    images.forEach((image, at) => {
      texts.forEach((text, other) => {
        const likeness = cosine(vectorOf(image), vectorOf(text));
        if (at === other) expect(likeness).toBeGreaterThan(0.99);
        else expect(likeness).toBeLessThan(0.1);
      });
    });
  });

  it('has another digest than the same model with another preprocessing', async () => {
    const other = join(folder, 'other');
    await writeColourBundle(other, 'dual', 'dual', { resize: 'pad' });
    const digests = await Promise.all(
      [join(folder, 'dual'), other].map(async (at) => (await readBundle(at)).digest),
    );
    expect(new Set(digests).size).toBe(2);
  });
});

const EFFICIENTNET = packageRoot('deploy/models/efficientnet');
const GROCERY = join(process.env.KINDRED_DATA ?? packageRoot('../shared/data'), 'grocery');
const missing = [
  existsSync(join(EFFICIENTNET, 'model.json')) ? '' : 'it needs: deploy/models/build.sh efficientnet',
  existsSync(GROCERY) ? '' : `it needs the data in ${GROCERY}`,
].filter(Boolean);

describe(`EfficientNet on the grocery photographs${missing.length > 0 ? ` (skipped: ${missing.join(', ')})` : ''}`, () => {
  it.skipIf(missing.length > 0)('finds the studio image of a product by a photograph of it', async () => {
    const roomy = loadConfig({ env: {}, flags: { 'images.enabled': 'true' } });
    const { embedImages } = await open(EFFICIENTNET, roomy);
    const vectorsOf = async (names: readonly string[]): Promise<Float32Array[]> => {
      const sources = await Promise.all(
        names.map(async (name) => source(await readFile(join(GROCERY, name)))),
      );
      return (await embedImages(sources, { purpose: 'document' })).map(vectorOf);
    };
    const products = (await readdir(join(GROCERY, 'iconic'))).map((name) => Number(name.split('.')[0]));
    // One photograph of every other product: a second of work.
    const photographs = (await readdir(join(GROCERY, 'natural'))).filter((name) =>
      /^\d*[02468]_01\./.test(name),
    );
    const studio = await vectorsOf(products.map((id) => `iconic/${String(id)}.jpg`));
    const natural = await vectorsOf(photographs.map((name) => `natural/${name}`));
    const hits = natural.filter((vector, at) => {
      const own = products.indexOf(Number(photographs[at]?.split('_')[0]));
      const scores = studio.map((other) => cosine(vector, other));
      return scores.filter((score) => score > (scores[own] ?? 0)).length < 5;
    });
    expect(natural.length).toBeGreaterThan(30);
    // By chance it would be 0.06; over all photographs it is 0.68.
    expect(hits.length / natural.length).toBeGreaterThan(0.5);
  });
});
