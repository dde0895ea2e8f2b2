import { describe, expect, it } from 'vitest';
import type { Filter } from '../../src/vectors/filter.js';
import { type Collections, record, unitVector } from './harness.js';

/** How every store must search. */
export function describeSearch(collections: Collections): void {
  const { open, filled } = collections;
  describe('search', () => {
    it('answers by cosine, best first, with scores that fit the vectors', async () => {
      const records = Array.from({ length: 50 }, (_, i) => record(`r${String(i)}`, {}, unitVector(i)));
      const collection = await filled(records);
      const query = unitVector(99);
      const expected = records
        .map(({ item, vector }) => ({
          id: item.id,
          score: vector.reduce((sum, x, i) => sum + x * (query[i] ?? 0), 0),
        }))
        .sort((a, b) => b.score - a.score)
        .slice(0, 10);
      const [hits = []] = await collection.search([query], { limit: 10 });
      expect(hits.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      for (const [i, { score }] of hits.entries()) expect(score).toBeCloseTo(expected[i]?.score ?? NaN, 4);
      const [[best] = []] = await collection.search([unitVector(3)], { limit: 1 });
      expect(best?.id).toBe('r3');
      expect(best?.score).toBeCloseTo(1, 5);
      expect(best?.score).toBeLessThanOrEqual(1);
    });

    it('brings items along when it is asked and can, the same as a fetch gives', async () => {
      const collection = await filled(
        Array.from({ length: 30 }, (_, i) => record(`r${String(i)}`, { stock: i, deep: [i] }, unitVector(i))),
      );
      for (const queries of [[unitVector(40)], [unitVector(41), unitVector(42)]])
        for (const hits of await collection.search(queries, { limit: 5, items: 'all' })) {
          expect(hits).toHaveLength(5);
          const items = await collection.fetch(hits.map(({ id }) => id));
          for (const [at, { item }] of hits.entries())
            if (item !== undefined) expect(item()).toEqual(items[at]);
        }
    });

    it('does not care for the length of a query', async () => {
      const collection = await filled(
        Array.from({ length: 20 }, (_, i) => record(`r${String(i)}`, {}, unitVector(i))),
      );
      const query = unitVector(50);
      const [one = []] = await collection.search([query], { limit: 5 });
      const [two = []] = await collection.search([query.map((x) => x * 7)], { limit: 5 });
      expect(two.map(({ id }) => id)).toEqual(one.map(({ id }) => id));
      expect(two[0]?.score).toBeCloseTo(one[0]?.score ?? NaN, 4);
    });

    it('answers many queries in one call as it answers each alone', async () => {
      const collection = await filled(
        Array.from({ length: 60 }, (_, i) => record(`r${String(i)}`, { stock: i }, unitVector(i))),
      );
      const queries = Array.from({ length: collections.store().capabilities.maxQueries }, (_, i) =>
        unitVector(i + 500),
      );
      const filter: Filter = { kind: 'range', field: 'stock', gte: 10 };
      const together = await collection.search(queries, { limit: 7, filter });
      expect(together).toHaveLength(queries.length);
      for (const [i, query] of queries.entries()) {
        const [alone = []] = await collection.search([query], { limit: 7, filter });
        expect(together[i]?.map(({ id }) => id)).toEqual(alone.map(({ id }) => id));
      }
    });

    it('breaks ties by id, also where the limit cuts through equals', async () => {
      const same = unitVector(5);
      const ids = Array.from({ length: 120 }, (_, i) => `tie ${String(1000 + ((i * 37) % 120))}`);
      const collection = await filled([
        ...ids.map((id) => record(id, {}, same)),
        record('far', {}, unitVector(6)),
      ]);
      await collection.optimize();
      const [hits = []] = await collection.search([unitVector(4)], { limit: 5 });
      const sorted = [...ids].sort();
      const [all = []] = await collection.search([same], { limit: 200 });
      expect(all.map(({ id }) => id)).toEqual([...sorted, 'far']);
      const [first = []] = await collection.search([same], { limit: 5 });
      expect(first.map(({ id }) => id)).toEqual(sorted.slice(0, 5));
      expect(hits).toHaveLength(5);
    });

    it('answers all there is when the limit is larger', async () => {
      const collection = await filled([record('a'), record('b')]);
      expect(await collection.search([unitVector(1)], { limit: 1_000 })).toMatchObject([{ length: 2 }]);
    });

    it('stops when the caller has gone', async () => {
      const collection = await filled([record('a')]);
      await expect(
        collection.search([unitVector(1)], { limit: 1, signal: AbortSignal.abort() }),
      ).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
      const controller = new AbortController();
      const search = collection.search([unitVector(1)], { limit: 1, signal: controller.signal });
      controller.abort();
      await Promise.allSettled([search]);
      expect(await collection.search([unitVector(1)], { limit: 1 })).toMatchObject([[{ id: 'a' }]]);
    });

    it('finds every match of a narrow filter among 10,000 rows', async () => {
      const collection = await open({ dimension: 16 });
      const records = Array.from({ length: 10_000 }, (_, i) =>
        record(`r${String(i)}`, { stock: i, brand: `brand ${String(i % 200)}` }, unitVector(i, 16)),
      );
      for (let from = 0; from < 10_000; from += 2_500)
        await collection.upsert(records.slice(from, from + 2_500));
      await collection.optimize();
      const filter: Filter = { kind: 'eq', field: 'brand', value: 'brand 7' };
      const queries = Array.from({ length: 8 }, (_, i) => unitVector(20_000 + i, 16));
      const results = await collection.search(queries, { limit: 100, filter });
      const expected = records
        .filter(({ item }) => item.fields.brand === 'brand 7')
        .map(({ item }) => item.id);
      expect(expected).toHaveLength(50);
      for (const hits of results) expect(hits.map(({ id }) => id).sort()).toEqual([...expected].sort());
      const [wide = []] = await collection.search(queries.slice(0, 1), {
        limit: 200,
        filter: { kind: 'range', field: 'stock', lt: 3_000 },
      });
      expect(wide).toHaveLength(200);
    });

    it('finds the matches of a wide filter that all lie far from the query', async () => {
      const collection = await open({ dimension: 16 });
      const near = unitVector(1, 16);
      const around = (centre: Float32Array, i: number): Float32Array =>
        unitVector(i, 16).map((x, at) => (centre[at] ?? 0) + x / 4);
      const far = near.map((x) => -x);
      const records = Array.from({ length: 6_000 }, (_, i) =>
        record(`r${String(i)}`, { inStock: i % 3 === 0 }, around(i % 3 === 0 ? far : near, i)),
      );
      await collection.upsert(records);
      await collection.optimize();
      const filter: Filter = { kind: 'eq', field: 'inStock', value: true };
      for (const limit of [1, 5, 200]) {
        const [hits = []] = await collection.search([near], { limit, filter });
        expect(hits).toHaveLength(limit);
        expect(hits.every(({ id }) => Number(id.slice(1)) % 3 === 0)).toBe(true);
      }
    });
  });
}
