import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import type { Embedder } from '../src/embedding/embedder.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { type OnnxPool, createOnnxPool } from '../src/embedding/onnx/pool.js';
import { readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { noTelemetry } from '../src/telemetry.js';
import { asEmbedding, cosine } from './conformance/embedder.js';

const V2 = packageRoot('deploy/models/v2');
const config = loadConfig({ env: {}, flags: { 'embedding.threads': '1', 'cache.adapter': 'none' } });

describe('v2 packed, as the CPU runs it', () => {
  let folder: string;
  const pools: OnnxPool[] = [];
  let packed: Embedder;
  let padded: Embedder;

  const load = async (home: string): Promise<Embedder> => {
    const telemetry = noTelemetry();
    const pool = createOnnxPool({ config: config.embedding, telemetry });
    pools.push(pool);
    return createLocalEmbedder({ bundle: await readBundle(home), pool, config, telemetry });
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kindred-packed-'));
    await cp(V2, folder, { recursive: true });
    const { variants, ...manifest } = JSON.parse(await readFile(join(V2, 'model.json'), 'utf8')) as {
      variants: Record<string, { inputs: string }>;
    };
    expect(variants.cpu?.inputs).toBe('packed-ids-int32');
    await writeFile(join(folder, 'model.json'), JSON.stringify(manifest));
    [packed, padded] = await Promise.all([load(V2), load(folder)]);
  });
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.close()));
    await rm(folder, { recursive: true });
  });

  it('gives the vectors and the digest of the graph with padding, whatever texts meet in a batch', async () => {
    expect(packed.model.digest).toBe(padded.model.digest);
    const word = fc.constantFrom('a', 'warm', 'waterproof', 'jacket', '[SEP]', 'für', '防水', '42');
    const text = fc
      .array(word, { minLength: 1, maxLength: 300, size: 'max' })
      .map((words) => words.join(' '));
    const texts = fc.uniqueArray(text, { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(texts, async (batch) => {
        const [received, expected] = await Promise.all(
          [packed, padded].map((embedder) => embedder.embed(batch, { purpose: 'query' })),
        );
        batch.forEach((_, at) => {
          const [a, b] = [asEmbedding(received?.[at]), asEmbedding(expected?.[at])];
          expect(cosine(a.vector, b.vector)).toBeGreaterThan(0.99999);
          expect([a.tokens, a.truncated]).toEqual([b.tokens, b.truncated]);
        });
      }),
      { numRuns: 4 },
    );
  });

  it('refuses a bundle whose packed variant has shapes to pad to', async () => {
    const manifest = JSON.parse(await readFile(join(V2, 'model.json'), 'utf8')) as {
      variants: { cpu: object };
    };
    Object.assign(manifest.variants.cpu, { buckets: { lengths: [256], texts: [1] } });
    await writeFile(join(folder, 'model.json'), JSON.stringify(manifest));
    await expect(readBundle(folder)).rejects.toThrow(
      'variants.cpu.buckets: expected none where texts are packed',
    );
  });
});
