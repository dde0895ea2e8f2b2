import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { createOnnxPool } from '../src/embedding/onnx/pool.js';
import { readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { noTelemetry } from '../src/telemetry.js';
import { asEmbedding, cosine } from './conformance/embedder.js';
import { writeHungryModel } from './hungry-model.js';
import { startServer } from './server-process.js';

const V1 = packageRoot('deploy/models/v1');
const LINUX = process.platform === 'linux';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-memory-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a pool of two workers', () => {
  it('X6: when one runs out of heap under load it alone is replaced, and every text gets its own vector', async () => {
    const telemetry = noTelemetry();
    const flags = {
      'embedding.threads': '2',
      'embedding.workerHeapMb': '64',
      // Collecting garbage for the last time takes a while on a busy machine.
      'embedding.watchdogMs': '60000',
      'cache.adapter': 'none',
    };
    const config = loadConfig({ env: {}, flags });
    const faults: string[] = [];
    const pool = createOnnxPool({
      config: config.embedding,
      telemetry,
      workerUrl: pathToFileURL(packageRoot('test/fixtures/faulty-worker.mjs')),
      onFault: (reason) => faults.push(reason),
    });
    try {
      const embedder = await createLocalEmbedder({ bundle: await readBundle(V1), pool, config, telemetry });
      const ask = async (text: string): Promise<Float32Array> =>
        asEmbedding((await embedder.embed([text], { purpose: 'query' }))[0]).vector;
      const texts = ['a red shoe', 'a blue hat', 'a green coat', 'a waterproof jacket for the hills'];
      const expected = await Promise.all(texts.map(ask));
      let over = false;
      const askers = Array.from({ length: 16 }, async (_, asker) => {
        for (let at = asker; !over; at++) {
          const which = at % texts.length;
          expect(cosine(await ask(texts[which]!), expected[which]!)).toBeGreaterThan(0.9999);
        }
      });
      // Answered by another worker, or by the successor.
      await ask(`fault:heap:${join(folder, 'heap')}`).finally(() => (over = true));
      await Promise.all(askers);
      expect(faults).toEqual([expect.stringMatching(/^a worker was lost: .*memory limit/)]);
      expect(embedder.health().ready).toBe(true);
    } finally {
      await pool.close();
    }
  });
});

describe.skipIf(!LINUX)(
  'a gateway with little address space left (skipped outside Linux, which alone has prlimit)',
  () => {
    it('X6: a text whose run gets no memory fails by code, all else is answered, and so is it once there is memory', async () => {
      const models = join(folder, 'models');
      await cp(V1, join(models, 'v1'), { recursive: true });
      await writeHungryModel(join(models, 'hungry'));
      const server = await startServer({
        data: join(folder, 'data'),
        'models.folder': models,
        'models.versions': 'v1,hungry',
        'models.stable': 'v1',
        'store.adapter': 'memory',
        'embedding.threads': '1',
        // Pinned, as measuring would run its longest texts.
        'embedding.maxBatchTexts': '1',
        'embedding.maxBatchTokens': '512',
        'embedding.runTokens': '512',
      });
      const ask = async (version: string, text: string): Promise<unknown> => {
        const query =
          'query ($text: String!, $version: ID) { embed(inputs: [{ text: $text }], modelVersion: $version) { ' +
          '__typename ... on EmbedFailure { code } } }';
        const response = await fetch(`${server.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ query, variables: { text, version } }),
        });
        return ((await response.json()) as { data: { embed: unknown[] } }).data.embed[0];
      };
      const limit = (addressSpace: string): void => {
        // The soft limit alone, so that it can be lifted again.
        execFileSync('prlimit', ['--pid', String(server.pid), `--as=${addressSpace}:`]);
      };
      const long = 'shoe '.repeat(500);
      const embedding = { __typename: 'Embedding' };
      try {
        expect(await ask('hungry', 'a shoe')).toEqual(embedding);
        const status = readFileSync(`/proc/${String(server.pid)}/status`, 'utf8');
        const kilobytes = Number(/^VmSize:\s+(\d+) kB/m.exec(status)?.[1]);
        // Half of what the long text needs, and plenty for everything else.
        limit(String((kilobytes + 128 * 1024) * 1024));
        expect(await ask('hungry', long)).toEqual({
          __typename: 'EmbedFailure',
          code: 'INTERNAL_SERVER_ERROR',
        });
        expect(await ask('hungry', 'a red shoe')).toEqual(embedding);
        expect(await ask('v1', 'a red shoe')).toEqual(embedding);
        limit('unlimited');
        expect(await ask('hungry', long)).toEqual(embedding);
      } finally {
        await server.stop();
      }
    });
  },
);
