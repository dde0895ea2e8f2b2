import { describe, expect, it } from 'vitest';
import { type Collections, record, unitVector } from './harness.js';

/** What every store must do with records. */
export function describeRecords(collections: Collections): void {
  const { open, filled, matching } = collections;
  describe('records', () => {
    it('answers null, 0 and no hits from an empty collection', async () => {
      const collection = await open();
      expect(await collection.count()).toBe(0);
      expect(await collection.fetch(['a'])).toEqual([null]);
      expect(await collection.vectors(['a'])).toEqual([null]);
      expect(await collection.hashes(['a'])).toEqual([null]);
      expect(await collection.delete(['a'])).toBe(0);
      expect(await collection.search([unitVector(1), unitVector(2)], { limit: 3 })).toEqual([[], []]);
      expect(await collection.search([], { limit: 3 })).toEqual([]);
      await collection.upsert([]);
      await collection.optimize();
      expect(await collection.count()).toBe(0);
    });

    it('gives back items, vectors and hashes in the order of the ids, repeats and unknown ones included', async () => {
      const fields = {
        brand: 'Öko "B" \\ \'c\'',
        stock: Number.MAX_SAFE_INTEGER,
        price: 0.1,
        inStock: false,
        released: '2024-02-29T12:00:00.123Z',
        tags: ['a', '😀'],
        extra: { deep: [1, null, { x: 'y' }] },
        notIndexed: 'kept',
        missing: null,
      };
      const a = record('a', fields, unitVector(1));
      const b = record('b', {}, unitVector(2));
      const collection = await filled([a, b]);
      expect(await collection.fetch(['b', 'none', 'a', 'b'])).toEqual([b.item, null, a.item, b.item]);
      expect(await collection.hashes(['b', 'none', 'a'])).toEqual([b.hash, null, a.hash]);
      expect(await collection.vectors(['b', 'none', 'a'])).toEqual([b.vector, null, a.vector]);
    });

    it('replaces a record whole, and keeps the last of two with one id in a call', async () => {
      const collection = await filled([
        record('a', { brand: 'old', price: 1 }, unitVector(1)),
        record('b', {}),
      ]);
      await collection.search([unitVector(1)], { limit: 2 });
      await collection.upsert([
        record('a', { brand: 'first' }, unitVector(2), 'first'),
        record('a', { brand: 'last' }, unitVector(3), 'last'),
      ]);
      expect(await collection.count()).toBe(2);
      expect(await collection.fetch(['a'])).toEqual([{ id: 'a', fields: { brand: 'last' } }]);
      expect(await collection.hashes(['a'])).toEqual(['last']);
      expect(await collection.vectors(['a'])).toEqual([unitVector(3)]);
      expect(await matching(collection, { kind: 'exists', field: 'price' })).toEqual([]);
    });

    it('deletes by id, says how many were there, and lets a deleted id come back', async () => {
      const collection = await filled(['a', 'b', 'c'].map((id) => record(id)));
      await collection.search([unitVector(1)], { limit: 3 });
      expect(await collection.delete(['a', 'c', 'c', 'none'])).toBe(2);
      expect(await collection.count()).toBe(1);
      expect(await collection.fetch(['a', 'b', 'c'])).toEqual([null, record('b').item, null]);
      await collection.upsert([record('a', { brand: 'again' })]);
      expect(await collection.fetch(['a'])).toEqual([{ id: 'a', fields: { brand: 'again' } }]);
    });

    it('takes ids of any text', async () => {
      const ids = [
        "o'neil",
        '"quoted"',
        'back\\slash',
        '%',
        "'; DROP TABLE x; --",
        'ünï',
        '😀',
        ' ',
        '',
        'é',
        'e\u0301',
        'x'.repeat(2_000),
      ];
      const collection = await filled(ids.map((id, i) => record(id, {}, unitVector(i))));
      expect(await collection.count()).toBe(ids.length);
      expect((await collection.fetch(ids)).map((item) => item?.id)).toEqual(ids);
      const [hits = []] = await collection.search([unitVector(1)], { limit: 100 });
      expect(hits.map(({ id }) => id).sort()).toEqual([...ids].sort());
      expect((await collection.fetch(ids)).map((item) => item?.id)).toEqual(ids);
      expect(await collection.delete(ids)).toBe(ids.length);
    });

    it('finds thousands of ids in one call', async () => {
      const ids = Array.from({ length: 2_500 }, (_, i) => `id ${String(i)}`);
      const collection = await filled(ids.map((id) => record(id)));
      const asked = [...ids].reverse();
      expect((await collection.hashes(asked)).every((hash, i) => hash === `hash of ${asked[i] ?? ''}`)).toBe(
        true,
      );
      expect(await collection.delete(ids)).toBe(ids.length);
    });

    it('keeps every record of concurrent upserts, once', async () => {
      const collection = await open();
      await Promise.all(
        Array.from({ length: 8 }, (_, writer) =>
          collection.upsert(
            Array.from({ length: 20 }, (_unused, i) =>
              record(`k${String(writer * 10 + i)}`, { stock: writer }),
            ),
          ),
        ),
      );
      expect(await collection.count()).toBe(90);
      const [hits = []] = await collection.search([unitVector(1)], { limit: 1_000 });
      expect(new Set(hits.map(({ id }) => id)).size).toBe(90);
    });

    it('answers right after optimize, and fetches what moved', async () => {
      const records = Array.from({ length: 300 }, (_, i) =>
        record(
          `r${String(i)}`,
          { stock: i, brand: i % 2 === 0 ? 'even' : 'odd', tags: [`t${String(i % 3)}`] },
          unitVector(i),
        ),
      );
      const collection = await open();
      for (let from = 0; from < 300; from += 50) await collection.upsert(records.slice(from, from + 50));
      await collection.search([unitVector(7)], { limit: 300 });
      await collection.delete(['r0', 'r299']);
      await collection.optimize();
      const ids = records.map(({ item }) => item.id);
      expect((await collection.fetch(ids)).filter((item) => item === null)).toHaveLength(2);
      expect(await collection.search([unitVector(7)], { limit: 1 })).toMatchObject([[{ id: 'r7' }]]);
      await collection.upsert([
        record('r7', { brand: 'new' }, unitVector(7)),
        record('late', {}, unitVector(1_000)),
      ]);
      expect(await collection.fetch(['r7'])).toEqual([{ id: 'r7', fields: { brand: 'new' } }]);
      expect(await collection.search([unitVector(1_000)], { limit: 1 })).toMatchObject([[{ id: 'late' }]]);
      expect(await matching(collection, { kind: 'eq', field: 'brand', value: 'new' })).toEqual(['r7']);
      expect(await matching(collection, { kind: 'contains', field: 'tags', value: 't1' })).toHaveLength(99);
      await Promise.all([
        collection.optimize(),
        collection.upsert([record('during')]),
        collection.optimize(),
      ]);
      expect(await collection.count()).toBe(300);
    });
  });
}
