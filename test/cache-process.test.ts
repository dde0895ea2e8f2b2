import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeEmbedding } from '../src/cache/codec.js';
import { embeddingKey, keyPrefix } from '../src/cache/key.js';
import { readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { asEmbedding, cosine } from './conformance/embedder.js';
import { skipWithout } from './daemon.js';
import { type Redis, startRedis } from './redis.js';
import { type RunningServer, isGone, startServer } from './server-process.js';
import { serving } from './serving.js';

const V1 = packageRoot('deploy/models/v1');
const skip = process.platform === 'linux' ? skipWithout('redis-server') : 'Linux alone has prlimit';

describe.skipIf(skip)(
  `a gateway that is killed while it writes to its cache server${skip === undefined ? '' : ` (${skip})`}`,
  () => {
    let folder: string;
    let redis: Redis;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kindred-cache-process-'));
      redis = await startRedis();
    });
    afterAll(async () => {
      await redis.close();
      await rm(folder, { recursive: true, force: true });
    });
    const start = (): Promise<RunningServer> =>
      startServer({
        data: folder,
        'models.versions': 'v1',
        'models.stable': 'v1',
        'embedding.threads': '1',
        'cache.url': redis.url,
      });
    const embed = async (server: RunningServer, texts: readonly string[]): Promise<number[][]> => {
      const query =
        'query ($inputs: [EmbedInput!]!) { embed(inputs: $inputs) { ... on Embedding { vector } } }';
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables: { inputs: texts.map((text) => ({ text })) } }),
      });
      const { data } = (await response.json()) as { data: { embed: { vector: number[] }[] } };
      return data.embed.map(({ vector }) => vector);
    };

    it('X6: ended by its memory limit, it leaves only whole vectors there and starts again on the same data', async () => {
      const first = await start();
      const textsOf = (batch: number): string[] =>
        Array.from({ length: 16 }, (_, at) => `text ${String(batch)} ${'and more '.repeat(at)}${String(at)}`);
      const status = readFileSync(`/proc/${String(first.pid)}/status`, 'utf8');
      const kilobytes = /^VmSize:\s+(\d+) kB/m.exec(status)?.[1] ?? '';
      let batch = 0;
      const askUntil = async (done: () => boolean): Promise<void> => {
        const askers = Array.from({ length: 8 }, async () => {
          while (!done()) await embed(first, textsOf(batch++)).catch(() => undefined);
        });
        await Promise.all(askers);
      };
      await askUntil(() => batch > 20);
      // Not a byte more than it has: its heap can't grow, and it ends.
      execFileSync('prlimit', ['--pid', String(first.pid), `--as=${String(Number(kilobytes) * 1024)}`]);
      await askUntil(() => isGone(first.pid));

      const texts = Array.from({ length: batch }, (_, at) => textsOf(at)).flat();
      const { digest } = await readBundle(V1);
      const keys = new Map(
        texts.map((text) => [keyPrefix('default') + embeddingKey(digest, 'query', text), text]),
      );
      const kept = (await redis.command('KEYS', `${keyPrefix('default')}*`)) as string[];
      expect(kept.length).toBeGreaterThan(100);
      const values = (await redis.command('MGET', ...kept)) as string[];
      const decoded = kept.map((key, at) => decodeEmbedding(key, values[at], 256));
      expect(kept.filter((_, at) => decoded[at] === undefined)).toEqual([]);
      const known = kept.map((key) => keys.get(key) ?? '');
      // As many as there happen to be: in bulk they wait for room.
      const fresh = await serving(V1, (embedder) =>
        embedder.embed(known, { purpose: 'query', lane: 'bulk' }),
      );
      const least = Math.min(
        ...fresh.map((outcome, at) => cosine(asEmbedding(outcome).vector, decoded[at]!.vector)),
      );
      expect(least).toBeGreaterThan(0.9999);

      const second = await start();
      try {
        const [again] = await embed(second, known.slice(0, 1));
        expect(cosine(Float32Array.from(again!), asEmbedding(fresh[0]).vector)).toBeGreaterThan(0.9999);
      } finally {
        await second.stop();
      }
    });
  },
);
