import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../src/config.js';
import type { Embedder } from '../src/embedding/embedder.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { type OnnxPool, createOnnxPool } from '../src/embedding/onnx/pool.js';
import { type Bundle, readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { noTelemetry } from '../src/telemetry.js';
import { asEmbedding } from './conformance/embedder.js';

const V1 = packageRoot('deploy/models/v1');
/** Time for a worker to be replaced on a busy machine, in ms. */
const BACK_MS = 60_000;

const telemetry = noTelemetry();
const config = loadConfig({
  env: {},
  flags: { 'embedding.threads': '1', 'embedding.watchdogMs': '60000', 'cache.adapter': 'none' },
});

// A process that was started with a lower priority than a worker's gives its workers the same.
const YIELDS = process.platform === 'linux' && getPriority() < 10;

describe('a worker that replaces a lost one', () => {
  let folder: string;
  let pool: OnnxPool;
  let faults: string[];
  let first: Embedder;
  const load = (bundle: Bundle): Promise<Embedder> =>
    createLocalEmbedder({ bundle, pool, config, telemetry });
  const ask = async (embedder: Embedder, text: string): Promise<unknown> =>
    (await embedder.embed([text], { purpose: 'query' }))[0];
  /** A copy of v1 whose description tells the faulty worker what to do when it loads. */
  const described = async (id: string, description: string): Promise<Bundle> => {
    const bundle = await readBundle(V1);
    return { ...bundle, digest: id, manifest: { ...bundle.manifest, id, description } };
  };
  const loseWorker = async (): Promise<void> => {
    asEmbedding((await ask(first, `fault:exit:${join(folder, 'exit')}`)) as never);
  };
  const untilReady = (embedder: Embedder): Promise<void> =>
    vi.waitFor(() => expect(embedder.health().ready).toBe(true), { timeout: BACK_MS, interval: 20 });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kindred-replaced-'));
    faults = [];
    pool = createOnnxPool({
      config: config.embedding,
      telemetry,
      reloadMs: 50,
      workerUrl: pathToFileURL(packageRoot('test/fixtures/faulty-worker.mjs')),
      onFault: (reason) => faults.push(reason),
    });
    first = await load(await readBundle(V1));
  });
  afterEach(async () => {
    await pool.close();
    await rm(folder, { recursive: true });
  });

  it.skipIf(!YIELDS)(
    'X5: keeps the priority of the main thread until its first batch, as callers wait for it (skipped outside Linux, where threads have none of their own, and below niceness 10)',
    async () => {
      const [atLoad, atRun] = [join(folder, 'load'), join(folder, 'run')];
      const second = await load(await described('second', `nice:${atLoad}`));
      const niceness = (file: string): number => Number(readFileSync(file, 'utf8'));
      expect(niceness(atLoad)).toBe(10);
      await loseWorker();
      await ask(second, `fault:nice:${atRun}`);
      expect(niceness(atLoad)).toBe(getPriority());
      expect(niceness(atRun)).toBe(10);
    },
  );

  it('X8: refuses a model whose file was damaged after the start; the others serve, and it is back once the file is whole', async () => {
    const home = join(folder, 'second');
    await cp(V1, home, { recursive: true });
    const path = join(home, 'model.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"id": "v1"', '"id": "second"'));
    const second = await load(await readBundle(home));
    asEmbedding((await ask(second, 'a red shoe')) as never);

    const model = join(home, 'model.onnx');
    const whole = await readFile(model);
    const damaged = Buffer.from(whole);
    damaged[1_000_000] = (damaged[1_000_000] ?? 0) ^ 1;
    await writeFile(model, damaged);
    await loseWorker();
    expect(await ask(second, 'a red shoe')).toMatchObject({ code: 'MODEL_VERSION_UNAVAILABLE' });
    expect(second.health()).toMatchObject({
      ready: false,
      reason: 'no worker holds the model version second',
    });
    expect(faults).toContainEqual(expect.stringContaining('model.onnx: expected SHA-256'));
    asEmbedding((await ask(first, 'a red shoe')) as never);

    await writeFile(model, whole);
    await untilReady(second);
    asEmbedding((await ask(second, 'a red shoe')) as never);
  });

  it('X5: does without a model whose loading ends workers, serves the others, and holds it once it loads again', async () => {
    const marker = join(folder, 'dies');
    const second = await load(await described('second', `dies:${marker}`));
    await writeFile(marker, '');
    await loseWorker();
    expect(second.health().ready).toBe(false);
    expect(await ask(second, 'a red shoe')).toMatchObject({ code: 'MODEL_VERSION_UNAVAILABLE' });
    asEmbedding((await ask(first, 'a red shoe')) as never);
    await rm(marker);
    await untilReady(second);
    asEmbedding((await ask(second, 'a red shoe')) as never);
    asEmbedding((await ask(first, 'a blue hat')) as never);
  });
});
