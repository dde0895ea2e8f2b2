import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Config, loadConfig } from '../src/config.js';
import type { Embedder } from '../src/embedding/embedder.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { type OnnxPool, createOnnxPool } from '../src/embedding/onnx/pool.js';
import { devicesOf, parseProviders, runtimeFolder, workerCount } from '../src/embedding/onnx/providers.js';
import { KindredError } from '../src/errors.js';
import { type Bundle, readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { noTelemetry } from '../src/telemetry.js';
import { asEmbedding, cosine } from './conformance/embedder.js';
import { type RunningServer, startServer } from './server-process.js';

/** No machine has so many GPUs, so it fails alike with CUDA's libraries and without. */
const ABSENT_GPU = 'cuda:99';
/** What test/fixtures/padded-ids.reference.onnx gives for its probe. */
const PROBE = 'fEiDPq92Db77M+e+Gjo2PwRVJL7js8E+1ZPFPThIJj4=';
const telemetry = noTelemetry();
const open = (version: string): Promise<Bundle> => readBundle(packageRoot(`deploy/models/${version}`));
const configOf = (flags: Record<string, string>): Config =>
  loadConfig({ env: {}, flags: { 'embedding.threads': '1', ...flags } });

describe('embedding.executionProviders', () => {
  it('reads names, names with a device, and maps that are passed on', () => {
    expect(
      parseProviders(['cuda:1', 'cpu', { name: 'webgpu', deviceId: 2, preferredLayout: 'NHWC' }]),
    ).toEqual([
      { name: 'cuda', deviceId: 1 },
      { name: 'cpu' },
      { name: 'webgpu', deviceId: 2, preferredLayout: 'NHWC' },
    ]);
    expect(
      loadConfig({ env: { KINDRED_EMBEDDING_EXECUTION_PROVIDERS: 'cuda:1, cpu' } }).embedding,
    ).toMatchObject({
      executionProviders: ['cuda:1', 'cpu'],
    });
  });

  it('refuses a provider without a name', () => {
    expect(() => loadConfig({ env: { KINDRED_EMBEDDING_EXECUTION_PROVIDERS: 'cpu,,cuda' } })).toThrow(
      /embedding\.executionProviders\.1/,
    );
  });

  it('spreads two workers a device over the devices of the first provider', () => {
    const providers = parseProviders(['cuda:0', 'cuda:1', 'cpu']);
    expect(devicesOf(providers)).toEqual([
      [{ name: 'cuda', deviceId: 0 }, { name: 'cpu' }],
      [{ name: 'cuda', deviceId: 1 }, { name: 'cpu' }],
    ]);
    expect(workerCount({ threads: 0, executionProviders: ['cuda:0', 'cuda:1', 'cpu'] })).toBe(4);
    expect(workerCount({ threads: 0, executionProviders: ['cuda'] })).toBe(2);
    expect(workerCount({ threads: 3, executionProviders: ['cuda'] })).toBe(3);
    expect(workerCount({ threads: 0, executionProviders: ['cpu'] })).toBeGreaterThan(0);
  });
});

describe('a provider that can not be had', () => {
  let pool: OnnxPool;
  afterEach(() => pool.close());
  const load = async (flags: Record<string, string>): Promise<Embedder> => {
    const config = configOf(flags);
    pool = createOnnxPool({ config: config.embedding, telemetry });
    return createLocalEmbedder({ bundle: await open('v1'), pool, config, telemetry });
  };
  const library = join(runtimeFolder(), 'libonnxruntime_providers_cuda.so');

  it('X9: refuses the model with an error that names provider, device and library, also when cpu follows', async () => {
    for (const providers of [ABSENT_GPU, `${ABSENT_GPU},cpu`]) {
      const failure = load({ 'embedding.executionProviders': providers });
      await expect(failure).rejects.toThrow(
        /^the execution provider cuda on device 99 can't run the model: /,
      );
      await expect(failure).rejects.toThrow(library);
      await pool.close();
    }
  });

  it.skipIf(existsSync(library))('X9: says how to put a missing library into place', async () => {
    await expect(load({ 'embedding.executionProviders': 'cuda' })).rejects.toThrow(
      `its library ${library} is missing: \`kindred gpu-libs\` puts it there`,
    );
  });

  it('X9: refuses one that onnxruntime-node lacks here, which it would drop without a word when cpu follows', async () => {
    await expect(load({ 'embedding.executionProviders': 'nonsense,cpu' })).rejects.toThrow(
      "the execution provider nonsense on its default device can't run the model: onnxruntime-node for this platform is built without nonsense",
    );
  });

  it('X9: runs on the CPU where the config allows that, with the same vectors, and says so', async () => {
    const embedder = await load({
      'embedding.executionProviders': ABSENT_GPU,
      'embedding.providerFallback': 'true',
    });
    const { ready, placement } = embedder.health();
    expect(ready).toBe(true);
    expect(placement).toEqual({
      provider: 'cpu',
      degraded: expect.stringContaining('the execution provider cuda on device 99') as string,
    });
    const { probe, manifest } = await open('v1');
    const [outcome] = await embedder.embed([manifest.probe!.text], { purpose: 'query' });
    expect(cosine(asEmbedding(outcome).vector, probe!)).toBeGreaterThan(0.9999);
  });
});

describe('a gateway whose provider can not be had', () => {
  let server: RunningServer;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kindred-providers-'));
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });
  const start = async (fallback: boolean): Promise<void> => {
    server = await startServer({
      data: folder,
      'models.versions': 'v1',
      'models.stable': 'v1',
      'store.adapter': 'memory',
      'embedding.executionProviders': ABSENT_GPU,
      'embedding.providerFallback': String(fallback),
    });
  };
  const models = async (): Promise<unknown> => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ models { id health executionProvider degraded } }' }),
    });
    return ((await response.json()) as { data: { models: unknown } }).data.models;
  };

  it('X9: is not ready, and answers MODEL_VERSION_UNAVAILABLE', async () => {
    await start(false);
    const ready = await fetch(`${server.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({
      status: 'not ready',
      components: expect.arrayContaining([{ name: 'model v1', ready: false }]) as unknown,
    });
    expect(await models()).toEqual([
      { id: 'v1', health: 'FAILED', executionProvider: null, degraded: false },
    ]);
  });

  it('X9: with the fallback allowed is ready, and /readyz and models say that it is degraded', async () => {
    await start(true);
    // It may call itself not ready for a while on a machine that is busy with other tests.
    const ready = await vi.waitFor(
      async () => {
        const response = await fetch(`${server.url}/readyz`);
        expect(response.status).toBe(200);
        return response;
      },
      { timeout: 60_000, interval: 200 },
    );
    expect(await ready.json()).toMatchObject({
      status: 'ready',
      components: expect.arrayContaining([{ name: 'model v1', ready: true, degradedTo: 'cpu' }]) as unknown,
    });
    expect(await models()).toEqual([{ id: 'v1', health: 'READY', executionProvider: 'cpu', degraded: true }]);
  });
});

describe('a provider that fails while it serves', () => {
  let folder: string;
  let control: string;
  let pool: OnnxPool;
  let embedder: Embedder;
  let faults: string[];
  beforeEach(async () => {
    faults = [];
    folder = await mkdtemp(join(tmpdir(), 'kindred-provider-'));
    control = join(folder, 'control');
    await writeFile(control, 'well');
  });
  afterEach(async () => {
    await embedder.close();
    await pool.close();
    await rm(folder, { recursive: true });
  });
  const load = async (flags: Record<string, string> = {}): Promise<void> => {
    const config = configOf(flags);
    pool = createOnnxPool({
      config: { ...config.embedding, executionProviders: [{ name: 'webgpu', control }] },
      telemetry,
      reloadMs: 50,
      onFault: (reason) => faults.push(reason),
      workerUrl: pathToFileURL(packageRoot('test/fixtures/fake-provider-worker.mjs')),
    });
    embedder = await createLocalEmbedder({ bundle: await open('v1'), pool, config, telemetry });
    expect(embedder.health()).toMatchObject({ ready: true, placement: { provider: 'webgpu' } });
  };
  const ask = async (text: string): Promise<unknown> =>
    (await embedder.embed([text], { purpose: 'query' }))[0];

  it.each(['lost', 'zeros', 'nan'])(
    'X9: one that is %s never gives a vector: the model is unavailable, and serves again once it is back',
    async (state) => {
      await load();
      await writeFile(control, state);
      expect(await ask('a red shoe')).toMatchObject({ code: 'MODEL_VERSION_UNAVAILABLE' });
      expect(embedder.health()).toMatchObject({
        ready: false,
        reason: 'no worker holds the model version v1',
      });
      await writeFile(control, 'well');
      await vi.waitFor(() => expect(embedder.health().ready).toBe(true), { timeout: 20_000, interval: 50 });
      asEmbedding((await ask('a blue hat')) as never);
    },
  );

  it.each(['lost', 'zeros', 'nan'])(
    'X9: when it is %s and the config allows it, the same text is answered from the CPU, and health says so',
    async (state) => {
      await load({ 'embedding.providerFallback': 'true' });
      await writeFile(control, state);
      const { probe, manifest } = await open('v1');
      const outcome = await ask(manifest.probe!.text);
      expect(cosine(asEmbedding(outcome as never).vector, probe!)).toBeGreaterThan(0.9999);
      expect(embedder.health()).toMatchObject({ ready: true, placement: { provider: 'cpu' } });
      expect(embedder.health().placement?.degraded).toMatch(/the execution provider webgpu/);
    },
  );

  it('a text that alone has no finite vector fails alone: the session is kept', async () => {
    await load();
    await writeFile(control, 'nan-long');
    const [long, short] = await Promise.all([ask('many words '.repeat(40)), ask('a red shoe')]);
    expect(long).toMatchObject({ code: 'INTERNAL_SERVER_ERROR' });
    await writeFile(control, 'well');
    asEmbedding((short instanceof KindredError ? await ask('a red shoe') : short) as never);
    expect(embedder.health()).toMatchObject({ ready: true, placement: { provider: 'webgpu' } });
    expect(faults).toEqual([]);
  });
});

describe('a variant of a model for its provider', () => {
  const FIXTURES = packageRoot('test/fixtures');
  let folder: string;
  let pool: OnnxPool | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kindred-variant-'));
    await writeFile(join(folder, 'control'), 'well');
  });
  afterEach(() => pool?.close());
  afterAll(() => rm(folder, { recursive: true }));

  /** A bundle whose variant for `webgpu` has one int32 input; `change` edits what model.json says of the variant. */
  async function bundleWith(name: string, change: Record<string, unknown>): Promise<string> {
    const home = join(folder, name);
    await mkdir(home);
    await copyFile(join(FIXTURES, 'padded-ids.reference.onnx'), join(home, 'model.onnx'));
    await copyFile(join(FIXTURES, 'padded-ids.variant.onnx'), join(home, 'model.webgpu.onnx'));
    await copyFile(packageRoot('deploy/models/v1/tokenizer.json'), join(home, 'tokenizer.json'));
    const facts = async (file: string): Promise<{ sha256: string; bytes: number }> => {
      const bytes = await readFile(join(home, file));
      return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
    };
    const manifest = {
      id: 'padded',
      name: 'padded ids',
      description: '',
      dimension: 8,
      maxTokens: 16,
      pooling: 'mean',
      normalize: true,
      poolingInGraph: true,
      prompts: { query: '', document: '' },
      inputs: ['input_ids', 'attention_mask'],
      output: 'embedding',
      tokenizer: 'tokenizer.json',
      model: 'model.onnx',
      files: { 'model.onnx': await facts('model.onnx'), 'tokenizer.json': await facts('tokenizer.json') },
      variants: {
        webgpu: {
          model: 'model.webgpu.onnx',
          inputs: 'padded-ids-int32',
          ...(await facts('model.webgpu.onnx')),
          ...change,
        },
      },
      similarity: 'cosine',
      licence: 'Apache-2.0',
      source: 'test/fixtures/padded-ids.py',
      probe: { text: 'a waterproof jacket', purpose: 'query', vector: PROBE },
    };
    await writeFile(join(home, 'model.json'), JSON.stringify(manifest));
    return home;
  }

  async function embedderOn(
    provider: string,
    home: string,
    flags: Record<string, string> = {},
  ): Promise<Embedder> {
    const config = configOf({ 'cache.adapter': 'none', ...flags });
    pool = createOnnxPool({
      config: {
        ...config.embedding,
        executionProviders: [{ name: provider, control: join(folder, 'control'), log: `${home}.log` }],
      },
      telemetry,
      workerUrl: pathToFileURL(packageRoot('test/fixtures/fake-provider-worker.mjs')),
    });
    return createLocalEmbedder({ bundle: await readBundle(home), pool, config, telemetry });
  }

  const TEXTS = ['a', 'a red shoe', 'seven words of very different length here', 'a blue hat', 'x y z'];

  it('gives the vectors of the reference graph, and has its digest', async () => {
    const home = await bundleWith('plain', {});
    const reference = await embedderOn('cpu', home);
    const expected = await reference.embed(TEXTS, { purpose: 'query' });
    await pool?.close();
    const variant = await embedderOn('webgpu', home);
    const received = await variant.embed(TEXTS, { purpose: 'query' });
    received.forEach((outcome, text) => {
      expect(cosine(asEmbedding(outcome).vector, asEmbedding(expected[text]).vector)).toBeGreaterThan(
        0.99999,
      );
    });
    expect(variant.model.digest).toBe(reference.model.digest);
    expect(await readFile(`${home}.log`, 'utf8')).toMatch(/^int32 /);
  });

  it('runs every shape of its buckets at load, and no other shape ever', async () => {
    const home = await bundleWith('buckets', { buckets: { lengths: [8, 16], texts: [1, 4] } });
    const embedder = await embedderOn('webgpu', home);
    const shapes = new Set((await readFile(`${home}.log`, 'utf8')).trim().split('\n'));
    expect([...shapes].sort()).toEqual(['int32 1x16', 'int32 1x8', 'int32 4x16', 'int32 4x8']);
    const outcomes = await embedder.embed(
      Array.from(
        { length: 23 },
        (_, index) => `${TEXTS[index % TEXTS.length] ?? ''} ${'word '.repeat(index)}`,
      ),
      { purpose: 'query' },
    );
    for (const outcome of outcomes) asEmbedding(outcome);
    expect(new Set((await readFile(`${home}.log`, 'utf8')).trim().split('\n'))).toEqual(shapes);
  });

  it('X8: is refused with the reason when its file is damaged or missing, while the reference still serves', async () => {
    const home = await bundleWith('damaged', { sha256: '0'.repeat(64) });
    await expect(embedderOn('webgpu', home)).rejects.toThrow(
      /model\.webgpu\.onnx: expected SHA-256 0+, but got/,
    );
    await pool?.close();
    await rm(join(home, 'model.webgpu.onnx'));
    await expect(embedderOn('webgpu', home)).rejects.toThrow('model.webgpu.onnx: the file is missing');
    await pool?.close();
    const reference = await embedderOn('cpu', home);
    asEmbedding((await reference.embed(['a shoe'], { purpose: 'query' }))[0]);
  });

  it('X8: is refused when its buckets can not hold the longest text', async () => {
    const home = await bundleWith('short', { buckets: { lengths: [8], texts: [1] } });
    await expect(readBundle(home)).rejects.toThrow(
      /variants\.webgpu\.buckets\.lengths: expected the last one to hold/,
    );
  });
});
