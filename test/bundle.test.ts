import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { type OnnxPool, createOnnxPool } from '../src/embedding/onnx/pool.js';
import { BundleError, readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { noTelemetry } from '../src/telemetry.js';
import { asEmbedding } from './conformance/embedder.js';

const V1 = packageRoot('deploy/models/v1');

interface Manifest {
  [key: string]: unknown;
  files: Record<string, { sha256: string; bytes: number }>;
  probe: { text: string; vector: string };
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-bundle-'));
  await cp(V1, folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

/** Changes model.json in place. */
async function edit(change: (manifest: Manifest) => void): Promise<void> {
  const path = join(folder, 'model.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
  change(manifest);
  await writeFile(path, JSON.stringify(manifest));
}

/** Makes model.json agree with the file as it is now: what a careless author would do. */
async function resign(name: string): Promise<void> {
  const bytes = await readFile(join(folder, name));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await edit(({ files }) => (files[name] = { sha256, bytes: bytes.length }));
}

async function flipBit(name: string, at: number): Promise<void> {
  const bytes = await readFile(join(folder, name));
  bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  await writeFile(join(folder, name), bytes);
}

/** Every second word piece trades places with its neighbour: still a tokenizer, but not this model's. */
async function swapTokenizer(): Promise<void> {
  const path = join(folder, 'tokenizer.json');
  const json = JSON.parse(await readFile(path, 'utf8')) as { model: { vocab: Record<string, number> } };
  for (const [piece, id] of Object.entries(json.model.vocab))
    if (id > 2_000) json.model.vocab[piece] = id ^ 1;
  await writeFile(path, JSON.stringify(json));
}

const faultsOf = async (): Promise<readonly string[]> => {
  const error: unknown = await readBundle(folder).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BundleError);
  return (error as BundleError).faults;
};

describe('readBundle', () => {
  it('reads a whole bundle', async () => {
    const bundle = await readBundle(folder);
    expect(bundle.manifest).toMatchObject({ id: 'v1', dimension: 256 });
    expect(bundle.probe).toHaveLength(256);
    expect(bundle.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('X8: a truncated model file is refused by its size', async () => {
    await truncate(join(folder, 'model.onnx'), 1000);
    expect(await faultsOf()).toEqual([
      expect.stringMatching(/^model\.onnx: expected \d+ bytes, but got 1000$/),
    ]);
  });

  it('X8: a flipped bit is refused by the SHA-256', async () => {
    await flipBit('model.onnx', 5_000_000);
    expect(await faultsOf()).toEqual([expect.stringMatching(/^model\.onnx: expected SHA-256/)]);
  });

  it('X8: a wrong SHA-256 and a missing file are named together', async () => {
    await edit(
      ({ files }) =>
        (files['model.onnx'] = { bytes: files['model.onnx']?.bytes ?? 0, sha256: '0'.repeat(64) }),
    );
    await rm(join(folder, 'tokenizer.json'));
    expect(await faultsOf()).toEqual([
      expect.stringMatching(/^model\.onnx: expected SHA-256 0+, but got/),
      'tokenizer.json: the file is missing',
    ]);
  });

  it.skipIf(process.platform === 'win32')(
    'X8: a pipe in place of a file is refused by its size and never waited for (skipped on Windows, which has none in folders)',
    async () => {
      await rm(join(folder, 'model.onnx'));
      execFileSync('mkfifo', [join(folder, 'model.onnx')]);
      expect(await faultsOf()).toEqual(['model.onnx: expected 7936627 bytes, but got 0']);
    },
  );

  it('X8: a missing or torn model.json says so', async () => {
    await writeFile(join(folder, 'model.json'), '{"id": "v1"');
    expect((await faultsOf())[0]).toMatch(/^model\.json: expected JSON/);
    await rm(join(folder, 'model.json'));
    expect(await faultsOf()).toEqual(['model.json: the file is missing']);
  });

  it('names every fault of model.json at once', async () => {
    await edit((manifest) => {
      manifest.dimension = 0;
      manifest.pooling = 'max';
      manifest.surprise = true;
      delete manifest.licence;
    });
    const faults = (await faultsOf()).join('\n');
    for (const part of ['dimension', 'pooling', 'surprise', 'licence']) expect(faults).toContain(part);
  });

  it('X8: a dimension that the probe vector does not have is refused', async () => {
    await edit((manifest) => (manifest.dimension = 255));
    expect((await faultsOf())[0]).toContain(
      'probe.vector: expected 255 float32 numbers (1020 bytes), but got 1024 bytes',
    );
  });

  it('refuses files outside its folder, by name and by link', async () => {
    await edit((manifest) => {
      manifest.files['../model.onnx'] = { sha256: '0'.repeat(64), bytes: 1 };
      manifest.files['link.json'] = { sha256: '0'.repeat(64), bytes: 1 };
    });
    await writeFile(join(folder, '..', 'model.onnx'), 'x').catch(() => undefined);
    await symlink(join(V1, 'tokenizer.json'), join(folder, 'link.json'));
    const faults = await faultsOf();
    await rm(join(folder, '..', 'model.onnx'), { force: true });
    expect(faults).toEqual([
      '../model.onnx: expected a file inside the folder',
      'link.json: expected a file inside the folder',
    ]);
  });

  it.each([
    ['v1', '3ce1c1e629ba1cc42ef624bd0d6574ed18bfb4a1a3164001c72371f81a392daf'],
    ['v2', 'd0f3f0d6af52ddf1ecda9311f26f13f99a02f91565fb56c7af099881cf075a32'],
  ])('keeps the digest of %s, which names vectors that stores and caches hold', async (version, digest) => {
    expect((await readBundle(packageRoot(`deploy/models/${version}`))).digest).toBe(digest);
  });

  it('refuses facts that contradict one another, each by its name', async () => {
    await edit((manifest) => {
      Object.assign(manifest, { poolingInGraph: false, outputDimension: 128, matryoshka: [64, 512] });
    });
    expect(await faultsOf()).toEqual([
      'model.json: normalize: expected false where the worker pools: it normalises what it pooled',
      'model.json: outputDimension: expected at least the dimension, 256',
      'model.json: matryoshka: expected at most the dimension, 256, got 512',
    ]);
  });

  it('counts what only newer bundles say into the digest, and leaves out what changes no vector', async () => {
    const { digest } = await readBundle(folder);
    await edit((manifest) =>
      Object.assign(manifest, { kind: 'text', outputDimension: 256, matryoshka: [64] }),
    );
    expect((await readBundle(folder)).digest).toBe(digest);
    await edit((manifest) => (manifest.outputDimension = 384));
    expect((await readBundle(folder)).digest).not.toBe(digest);
  });

  it('gives a digest that names what changes vectors, and nothing else', async () => {
    const { digest } = await readBundle(folder);
    await edit((manifest) => (manifest.name = 'Another name'));
    expect((await readBundle(folder)).digest).toBe(digest);
    await edit((manifest) => (manifest.prompts = { query: 'query: ', document: '' }));
    expect((await readBundle(folder)).digest).not.toBe(digest);
  });
});

describe('loading a bundle', () => {
  const telemetry = noTelemetry();
  const config = loadConfig({ env: { KINDRED_EMBEDDING_THREADS: '1' } });
  let pool: OnnxPool;
  beforeAll(() => {
    pool = createOnnxPool({ config: config.embedding, telemetry });
  });
  afterAll(() => pool.close());

  const load = async (): Promise<void> => {
    await createLocalEmbedder({ bundle: await readBundle(folder), pool, config, telemetry });
  };

  it('X8: a swapped tokenizer whose hash agrees is caught by the probe text', async () => {
    await swapTokenizer();
    await resign('tokenizer.json');
    await expect(load()).rejects.toThrow(/expected the probe text to embed to its vector in model\.json/);
  });

  it('X8: damaged weights whose hash agrees are caught by the probe text or by the runtime', async () => {
    const bytes = await readFile(join(folder, 'model.onnx'));
    bytes.fill(0x55, 100_000, bytes.length - 100_000);
    await writeFile(join(folder, 'model.onnx'), bytes);
    await resign('model.onnx');
    await expect(load()).rejects.toThrow();
  });

  it('X8: a truncated model whose hash agrees is refused by the runtime', async () => {
    await truncate(join(folder, 'model.onnx'), 100_000);
    await resign('model.onnx');
    await expect(load()).rejects.toThrow();
  });

  it('X8: a wrong dimension is refused by the shape of the output', async () => {
    await edit((manifest) => {
      manifest.dimension = 2;
      manifest.probe.vector = Buffer.from(new Float32Array([0.6, 0.8]).buffer).toString('base64');
    });
    await expect(load()).rejects.toThrow('expected an output of 1 x 2, but got 1 x 256');
  });

  it('refuses inputs and outputs that the model does not have', async () => {
    await edit((manifest) => (manifest.inputs = ['input_ids', 'attention_mask', 'token_type_ids']));
    await expect(load()).rejects.toThrow(
      'expected the inputs attention_mask, input_ids, token_type_ids, but got',
    );
    await edit((manifest) => {
      manifest.inputs = ['input_ids', 'attention_mask'];
      manifest.output = 'logits';
    });
    await expect(load()).rejects.toThrow('expected an output logits, but got sentence_embedding');
  });

  it('X8: while broken bundles are refused, the pool keeps serving and takes a whole one', async () => {
    const bundle = await readBundle(V1);
    const embedder = await createLocalEmbedder({ bundle, pool, config, telemetry });
    await edit((manifest) => (manifest.id = 'v1-broken'));
    await swapTokenizer();
    await resign('tokenizer.json');
    await expect(load()).rejects.toThrow('expected the probe text');
    const [outcome] = await embedder.embed(['a waterproof jacket'], { purpose: 'query' });
    expect(asEmbedding(outcome).vector).toHaveLength(256);
    await embedder.close();
  });
});
