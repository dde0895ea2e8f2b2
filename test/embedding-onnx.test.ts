import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
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

const config = loadConfig({ env: {}, flags: { 'embedding.threads': '2', 'embedding.watchdogMs': '1000' } });
const open = (version: string): Promise<Bundle> => readBundle(packageRoot(`deploy/models/${version}`));

describeEmbedder('the fake', () => Promise.resolve(createFakeEmbedder()));

for (const version of ['v1', 'v2']) {
  describeEmbedder(`${version} in worker threads`, async () => {
    const telemetry = noTelemetry();
    const flags = { 'embedding.threads': '1' };
    const pool = createOnnxPool({ config: loadConfig({ env: {}, flags }).embedding, telemetry });
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
