import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import type { EmbedOutcome, Embedder, Embedding } from '../src/embedding/embedder.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { type OnnxPool, createOnnxPool } from '../src/embedding/onnx/pool.js';
import { KindredError } from '../src/errors.js';
import { readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { noTelemetry } from '../src/telemetry.js';
import { lane } from './batcher-simulation.js';
import { asEmbedding, cosine } from './conformance/embedder.js';
import { settle } from './held-runner.js';

describe('real workers under any mixture', () => {
  const WORDS = ['red', 'shoe', 'garden', 'hose', 'for', 'running', 'waterproof', 'jacket', 'kids', 'and'];
  const sentence = fc
    .array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 40 })
    .map((words) => words.join(' '));
  let folder: string;
  const pools: OnnxPool[] = [];
  const embedders: Record<string, Embedder> = {};

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kindred-properties-'));
    const telemetry = noTelemetry();
    const config = loadConfig({ env: {}, flags: { 'embedding.threads': '2' } });
    const workerUrl = pathToFileURL(packageRoot('test/fixtures/faulty-worker.mjs'));
    for (const version of ['v1', 'v2']) {
      // A pool for each, so that a worker that is replaced is soon there.
      const pool = createOnnxPool({ config: config.embedding, telemetry, workerUrl });
      pools.push(pool);
      const bundle = await readBundle(packageRoot(`deploy/models/${version}`));
      embedders[version] = await createLocalEmbedder({ bundle, pool, config, telemetry });
    }
  }, 60_000);
  afterAll(async () => {
    for (const embedder of Object.values(embedders)) await embedder.close();
    for (const pool of pools) await pool.close();
    await rm(folder, { recursive: true });
  });

  const embedderOf = (version: string): Embedder => {
    const embedder = embedders[version];
    if (!embedder) throw new Error(`expected the model ${version}`);
    return embedder;
  };
  const known = new Map<string, Embedding>();
  const embeddingAlone = async (version: string, text: string): Promise<Embedding> => {
    const embedding =
      known.get(version + text) ??
      asEmbedding((await embedderOf(version).embed([text], { purpose: 'query' }))[0]);
    known.set(version + text, embedding);
    return embedding;
  };
  const expectSame = async (
    version: string,
    text: string,
    outcome: EmbedOutcome | undefined,
  ): Promise<void> => {
    const got = asEmbedding(outcome);
    const want = await embeddingAlone(version, text);
    expect(cosine(got.vector, want.vector)).toBeGreaterThanOrEqual(0.99999);
    expect([got.tokens, got.truncated]).toEqual([want.tokens, want.truncated]);
  };

  const call = fc.record({
    texts: fc.array(
      fc.oneof({ weight: 6, arbitrary: sentence }, { weight: 1, arbitrary: fc.constant(' ') }),
      {
        minLength: 1,
        maxLength: 8,
      },
    ),
    lane,
    leaves: fc.boolean(),
    late: fc.boolean(),
  });
  /** `once` and `always` tell how often the text that comes with it kills its worker. */
  const fault = fc.constantFrom(undefined, 'exit once', 'throw once', 'exit always');
  let runs = 0;

  it('X5: gives every text of v1 what it gets alone, whoever leaves and whichever worker dies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 8 }), fault, async (calls, fault) => {
        const [kind = '', times] = fault?.split(' ') ?? [];
        const killer = `fault:${kind}:${times === 'always' ? times : join(folder, String(runs++))}`;
        const embedder = embedderOf('v1');
        const answers = calls.map(async ({ texts, lane, leaves, late }, index) => {
          const asked = fault && index === 0 ? [...texts, killer] : texts;
          if (late) await settle();
          const client = new AbortController();
          const answer = embedder.embed(asked, { purpose: 'query', lane, signal: client.signal });
          if (leaves && index > 0)
            setImmediate(() => {
              client.abort();
            });
          return { asked, client, outcomes: await answer };
        });
        for (const { asked, client, outcomes } of await Promise.all(answers)) {
          expect(outcomes).toHaveLength(asked.length);
          for (const [at, text] of asked.entries()) {
            const outcome = outcomes[at];
            const code = outcome instanceof KindredError ? outcome.code : undefined;
            if (code === 'REQUEST_CANCELLED') expect(client.signal.aborted).toBe(true);
            else if (text === ' ') expect(outcome).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'EMPTY' });
            else if (text === killer && times === 'always') expect(code).toBe('MODEL_VERSION_UNAVAILABLE');
            else if (text !== killer) await expectSame('v1', text, outcome);
            else asEmbedding(outcome);
          }
        }
        // The last worker that died may still be on its way back.
        await expect
          .poll(() => embedder.health(), { timeout: 30_000 })
          .toMatchObject({ ready: true, queued: 0 });
      }),
      { numRuns: 8, endOnFailure: true },
    );
  }, 60_000);

  it('gives texts of v2 in one batch of mixed lengths what each gets alone', async () => {
    const texts = Array.from({ length: 12 }, (_, index) =>
      Array.from({ length: 1 + index * 3 }, (_, at) => WORDS[(index * 7 + at) % WORDS.length]).join(' '),
    );
    const outcomes = await embedderOf('v2').embed(texts, { purpose: 'query' });
    for (const [at, text] of texts.entries()) await expectSame('v2', text, outcomes[at]);
  }, 30_000);
});
