import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeEmbedding } from '../../src/cache/codec.js';
import { embeddingKey } from '../../src/cache/key.js';
import type { CacheTier } from '../../src/cache/tier.js';
import { type EmbeddingCache, createTieredCache } from '../../src/cache/tiers.js';
import type { Embedding } from '../../src/embedding/embedder.js';
import { noTelemetry } from '../../src/telemetry.js';

/** A tier under test. */
export interface TierUnderTest {
  readonly tier: CacheTier;
  close(): Promise<void>;
}

const model = { id: 'fake', dimension: 384 };
const max = 10_000;

/** The key of a text of the fake model. */
function keyOf(text: string): string {
  return embeddingKey('d'.repeat(64), 'query', text);
}

/** An embedding that no other `seed` has. */
export function embeddingOf(seed: number, dimension = model.dimension): Embedding {
  const vector = Float32Array.from({ length: dimension }, (_, at) => Math.sin(seed * 31 + at));
  return { vector, tokens: seed, truncated: seed % 2 === 1 };
}

/** What every tier of the cache must hold, whatever keeps its values. */
export function describeCacheTier(name: string, open: () => Promise<TierUnderTest>): void {
  describe(`${name} as a tier of the cache`, () => {
    let tested: TierUnderTest;
    let tier: CacheTier;
    let cache: EmbeddingCache;
    beforeAll(async () => {
      tested = await open();
      ({ tier } = tested);
      // A server is connected once it tells its state.
      expect(await tier.stats()).toMatchObject({ reachable: true });
      cache = createTieredCache({ tiers: [tier], namespace: 'conformance', telemetry: noTelemetry() });
    });
    afterAll(() => tested.close());

    it('answers in the order of the keys, with nothing for what it does not have', async () => {
      await tier.setMany([
        { key: 'order:a', value: 'first' },
        { key: 'order:b', value: 'second' },
      ]);
      await tier.flush();
      expect(await tier.getMany(['order:b', 'order:none', 'order:a'], max)).toEqual([
        'second',
        undefined,
        'first',
      ]);
      expect(await tier.getMany([], max)).toEqual([]);
    });

    it('gives back every embedding bit by bit', async () => {
      const entries = Array.from({ length: 300 }, (_, at) => [keyOf(`text ${at}`), embeddingOf(at)] as const);
      await cache.setMany(entries);
      await cache.flush();
      const keys = entries.map(([key]) => key);
      expect(await cache.getMany(keys, model)).toEqual(entries.map(([, embedding]) => embedding));
    });

    it('keeps the last of two values under one key', async () => {
      for (const value of ['old', 'new']) {
        await tier.setMany([{ key: 'twice', value }]);
        await tier.flush();
      }
      expect(await tier.getMany(['twice'], max)).toEqual(['new']);
    });

    it('has no value for one that is longer than was asked for', async () => {
      await tier.setMany([
        { key: 'long', value: 'x'.repeat(65) },
        { key: 'short', value: 'x'.repeat(64) },
      ]);
      await tier.flush();
      expect(await tier.getMany(['long', 'short'], 64)).toEqual([undefined, 'x'.repeat(64)]);
    });

    it('K1: another namespace sees nothing', async () => {
      const other = createTieredCache({ tiers: [tier], namespace: 'other', telemetry: noTelemetry() });
      await cache.setMany([[keyOf('shared'), embeddingOf(1)]]);
      await cache.flush();
      expect(await other.getMany([keyOf('shared')], model)).toEqual([undefined]);
      expect(await cache.getMany([keyOf('shared')], model)).toEqual([embeddingOf(1)]);
    });

    it("K1: another namespace's value under this one's key is a miss", async () => {
      const key = `kindred:2:conformance:${keyOf('stolen')}`;
      const foreign = encodeEmbedding(`kindred:2:other:${keyOf('stolen')}`, embeddingOf(7));
      await tier.setMany([{ key, value: foreign }]);
      await tier.flush();
      expect(await cache.getMany([keyOf('stolen')], model)).toEqual([undefined]);
    });

    it('K1: a corrupted value, one of an older format, of another dimension or with NaN is a miss, and its neighbours are not', async () => {
      const texts = ['bad', 'cut', 'old', 'other dimension', 'not a number', 'infinite', 'good'];
      const keys = texts.map((text) => `kindred:2:conformance:${keyOf(text)}`);
      const good = embeddingOf(3);
      const values = keys.map((key, at) => {
        const whole = encodeEmbedding(key, good);
        const vector = new Float32Array(good.vector);
        switch (texts[at]) {
          case 'bad':
            return whole.slice(0, 100) + (whole[100] === 'A' ? 'B' : 'A') + whole.slice(101);
          case 'cut':
            return whole.slice(0, -100);
          case 'old':
            return whole.replace('v2', 'v1');
          case 'other dimension':
            return encodeEmbedding(key, embeddingOf(3, 256));
          case 'not a number':
            vector[200] = NaN;
            return encodeEmbedding(key, { ...good, vector });
          case 'infinite':
            vector[383] = Infinity;
            return encodeEmbedding(key, { ...good, vector });
          default:
            return whole;
        }
      });
      await tier.setMany(keys.map((key, at) => ({ key, value: values[at]! })));
      await tier.flush();
      const found = await cache.getMany(texts.map(keyOf), model);
      expect(found).toEqual(texts.map((text) => (text === 'good' ? good : undefined)));
    });

    it('counts its entries', async () => {
      const { entries = 0, bytes = 0 } = await tier.stats();
      expect(entries).toBeGreaterThan(300);
      expect(bytes).toBeGreaterThan(300 * 384 * 4);
    });
  });
}
