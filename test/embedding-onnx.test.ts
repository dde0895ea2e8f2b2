import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../src/config.js';
import type { Embedder } from '../src/embedding/embedder.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { type OnnxPool, createOnnxPool } from '../src/embedding/onnx/pool.js';
import { KindredError } from '../src/errors.js';
import { type Bundle, readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { type Telemetry, noTelemetry } from '../src/telemetry.js';
import { asEmbedding, cosine, describeEmbedder } from './conformance/embedder.js';
import { createFakeEmbedder } from './fake-embedder.js';

// Where there is a GPU, the same suite runs on it: with these two of the gateway's own variables.
const { KINDRED_EMBEDDING_EXECUTION_PROVIDERS, KINDRED_MODELS_FOLDER } = process.env;
const env = { KINDRED_EMBEDDING_EXECUTION_PROVIDERS, KINDRED_MODELS_FOLDER };
// The smallest heap, so that one that runs over is found soon.
const config = loadConfig({
  env,
  flags: { 'embedding.threads': '2', 'embedding.watchdogMs': '1000', 'embedding.workerHeapMb': '64' },
});
const open = (version: string): Promise<Bundle> => readBundle(join(config.models.folder, version));

describeEmbedder('the fake', () => Promise.resolve(createFakeEmbedder()));

for (const version of ['v1', 'v2']) {
  describeEmbedder(`${version} in worker threads`, async () => {
    const telemetry = noTelemetry();
    const flags = { 'embedding.threads': '1' };
    const pool = createOnnxPool({ config: loadConfig({ env, flags }).embedding, telemetry });
    const embedder = await createLocalEmbedder({ bundle: await open(version), pool, config, telemetry });
    return {
      ...embedder,
      close: async () => {
        await embedder.close();
        await pool.close();
      },
    };
  });
}

describe.skipIf(config.embedding.executionProviders[0] === 'cpu')(
  `v2 on ${KINDRED_EMBEDDING_EXECUTION_PROVIDERS ?? 'cpu (skipped: it needs a GPU and KINDRED_EMBEDDING_EXECUTION_PROVIDERS)'}`,
  () => {
    it('gives the vectors that the CPU gives, alone and in batches of mixed length (cosine >= 0.9999)', async () => {
      const telemetry = noTelemetry();
      const bundle = await open('v2');
      const texts = Array.from(
        { length: 300 },
        (_, at) => `${at} ${'a warm jacket for the hills '.repeat(at % 30)}`,
      );
      const vectorsOn = async (executionProviders: string[]): Promise<Float32Array[]> => {
        const pool = createOnnxPool({
          config: { ...config.embedding, executionProviders, watchdogMs: 60_000 },
          telemetry,
        });
        const embedder = await createLocalEmbedder({ bundle, pool, config, telemetry });
        const outcomes = await embedder.embed(texts, { purpose: 'document', lane: 'bulk' });
        const alone = await embedder.embed([texts[299] ?? ''], { purpose: 'document' });
        await pool.close();
        return [...outcomes, ...alone].map((outcome) => asEmbedding(outcome).vector);
      };
      const expected = await vectorsOn(['cpu']);
      const received = await vectorsOn(config.embedding.executionProviders as string[]);
      const least = Math.min(...received.map((vector, text) => cosine(vector, expected[text]!)));
      expect(least).toBeGreaterThanOrEqual(0.9999);
    });
  },
);

describe('a pool of workers that fail', () => {
  let folder: string;
  let pool: OnnxPool;
  let embedder: Embedder;
  let restarts: number;
  const ask = (...texts: string[]): ReturnType<Embedder['embed']> =>
    embedder.embed(texts, { purpose: 'query' });
  const countingTelemetry = (): Telemetry => {
    const telemetry = noTelemetry();
    restarts = 0;
    const workerRestarts = { add: (count: number): void => void (restarts += count) };
    return { ...telemetry, metrics: { ...telemetry.metrics, workerRestarts } };
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kindred-faults-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    const telemetry = countingTelemetry();
    const workerUrl = pathToFileURL(packageRoot('test/fixtures/faulty-worker.mjs'));
    pool = createOnnxPool({ config: config.embedding, telemetry, workerUrl });
    embedder = await createLocalEmbedder({ bundle: await open('v1'), pool, config, telemetry });
  });
  afterEach(async () => {
    await embedder.close();
    await pool.close();
  });

  it.each(['throw', 'exit', 'hang'])(
    'X5: a batch whose worker fails once (%s) is answered by another, and the worker is replaced',
    async (fault) => {
      const [outcome, neighbour] = await ask(`fault:${fault}:${join(folder, fault)}`, 'a red shoe');
      asEmbedding(outcome);
      const again = await Promise.all(
        Array.from({ length: 8 }, (_, index) => ask(`a red shoe ${String(index)}`)),
      );
      expect(restarts).toBe(1);
      expect(again.flat().every((one) => !(one instanceof KindredError))).toBe(true);
      const fresh = vectorOf(await ask('a red shoe'));
      expect(cosine(asEmbedding(neighbour).vector, fresh)).toBeGreaterThan(0.9999);
      expect(embedder.health().ready).toBe(true);
    },
  );

  it.each(['throw', 'exit', 'hang'])(
    'X5: texts whose workers fail twice (%s) fail by the name of the model, and the next batch is answered',
    async (fault) => {
      const [outcome] = await ask(`fault:${fault}:always`);
      expect(outcome).toMatchObject({
        code: 'MODEL_VERSION_UNAVAILABLE',
        message: 'the model version v1 failed on the batch',
      });
      asEmbedding((await ask('a blue hat'))[0]);
      expect(restarts).toBe(2);
    },
  );

  it('X5: while one worker hangs, the other answers', async () => {
    const marker = join(folder, 'stuck');
    const stuck = ask(`fault:hang:${marker}`);
    // Sent in the same tick, both would share a batch.
    await vi.waitFor(() => {
      expect(existsSync(marker)).toBe(true);
    });
    let answered = 0;
    const first = await Promise.race([
      stuck.then(() => 'stuck'),
      ask('a green coat').then((outcomes) => {
        answered = outcomes.length;
        return 'free';
      }),
    ]);
    expect(first).toBe('free');
    expect(answered).toBe(1);
    asEmbedding((await stuck)[0]);
  });

  it('loads a second model while the first serves, and both answer from all workers', async () => {
    const telemetry = noTelemetry();
    const v2 = { ...(await open('v1')), digest: 'other' };
    const bundle: Bundle = { ...v2, manifest: { ...v2.manifest, id: 'second' } };
    const [second, outcomes] = await Promise.all([
      createLocalEmbedder({ bundle, pool, config, telemetry }),
      Promise.all(Array.from({ length: 20 }, (_, index) => ask(`text ${String(index)}`))),
    ]);
    expect(outcomes.flat().filter((outcome) => outcome instanceof KindredError)).toEqual([]);
    asEmbedding((await second.embed(['a shoe'], { purpose: 'query' }))[0]);
    await second.close();
    asEmbedding((await ask('a shoe'))[0]);
  });

  it('refuses a model that is loaded already', async () => {
    await expect(pool.load(await open('v1'))).rejects.toThrow('the model v1 is loaded already');
  });

  it('fails texts by the name of the model when its pool is closed', async () => {
    await pool.close();
    const [outcome] = await ask('a shoe');
    expect(outcome).toMatchObject({ code: 'MODEL_VERSION_UNAVAILABLE' });
  });
});

describe('a pool of one worker', () => {
  const telemetry = noTelemetry();
  let folder: string;
  let pool: OnnxPool;
  let first: Embedder;
  let faults: string[];
  const ask = async (embedder: Embedder, text: string): Promise<Float32Array> =>
    vectorOf(await embedder.embed([text], { purpose: 'query' }));
  /** A copy of v1 under another id, whose loading blocks its thread until the file `marker` exists. */
  const held = async (id: string, marker: string): Promise<Bundle> => {
    const bundle = await open('v1');
    return { ...bundle, digest: id, manifest: { ...bundle.manifest, id, description: `hold:${marker}` } };
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kindred-one-worker-'));
    const workerUrl = pathToFileURL(packageRoot('test/fixtures/faulty-worker.mjs'));
    faults = [];
    pool = createOnnxPool({
      config: { ...config.embedding, threads: 1, watchdogMs: 60_000 },
      telemetry,
      workerUrl,
      onFault: (reason) => faults.push(reason),
    });
    first = await createLocalEmbedder({ bundle: await open('v1'), pool, config, telemetry });
    await ask(first, 'warm');
  });
  afterEach(async () => {
    await pool.close();
    await rm(folder, { recursive: true });
  });

  it('X8: answers with one model while a second one loads slowly, and with both afterwards', async () => {
    const marker = join(folder, 'go');
    let stands = false;
    const second = createLocalEmbedder({ bundle: await held('second', marker), pool, config, telemetry });
    void second.then(() => (stands = true));
    await vi.waitFor(() => {
      expect(existsSync(`${marker}.held`)).toBe(true);
    });
    const during = [];
    for (let index = 0; index < 20; index++) during.push(await ask(first, `text ${String(index)}`));
    expect(during).toHaveLength(20);
    expect(stands).toBe(false);
    await writeFile(marker, '');
    const vector = await ask(await second, 'a red shoe');
    expect(cosine(vector, await ask(first, 'a red shoe'))).toBeGreaterThan(0.9999);
  });

  it('keeps its worker, and what it holds, when the second model is refused', async () => {
    const bundle = await held('second', join(folder, 'go'));
    await writeFile(join(folder, 'go'), '');
    const broken = { ...bundle, manifest: { ...bundle.manifest, output: 'logits' } as Bundle['manifest'] };
    await expect(createLocalEmbedder({ bundle: broken, pool, config, telemetry })).rejects.toThrow(
      'expected an output logits',
    );
    await ask(first, 'a red shoe');
  });

  it('X6: when it runs out of heap it alone ends, and the text is answered by its successor', async () => {
    await ask(first, `fault:heap:${join(folder, 'heap')}`);
    expect(faults).toEqual([expect.stringMatching(/^a worker was lost: .*memory limit/)]);
    await ask(first, 'a red shoe');
  });

  it('X5: a worker that dies while its successor loads is replaced, and so is it', async () => {
    const marker = join(folder, 'go');
    const second = createLocalEmbedder({ bundle: await held('second', marker), pool, config, telemetry });
    await vi.waitFor(() => {
      expect(existsSync(`${marker}.held`)).toBe(true);
    });
    const stuck = ask(first, `fault:exit:${join(folder, 'exit')}`);
    // Its replacement holds the second model too, so it waits for it as well.
    await vi.waitFor(() => {
      expect(existsSync(join(folder, 'exit'))).toBe(true);
    });
    await writeFile(marker, '');
    await stuck;
    await ask(await second, 'a blue hat');
    await ask(first, 'a green coat');
  });
});

describe('a pool whose workers never start', () => {
  it('X5: refuses to load instead of waiting for ever', async () => {
    const faults: string[] = [];
    const pool = createOnnxPool({
      config: config.embedding,
      telemetry: noTelemetry(),
      workerUrl: pathToFileURL(packageRoot('test/fixtures/no-such-worker.mjs')),
      onFault: (reason) => faults.push(reason),
    });
    await expect(pool.load(await open('v1'))).rejects.toThrow(/Cannot find module/);
    expect(faults.length).toBeGreaterThan(0);
    await pool.close();
  });
});

function vectorOf([outcome]: Awaited<ReturnType<Embedder['embed']>>): Float32Array {
  return asEmbedding(outcome).vector;
}
