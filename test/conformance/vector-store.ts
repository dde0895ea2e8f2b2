import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FieldValue } from '../../src/catalogue/item.js';
import type { ErrorCode, ErrorReason } from '../../src/errors.js';
import type { Filter } from '../../src/vectors/filter.js';
import type { Collection, CollectionSpec, VectorRecord, VectorStore } from '../../src/vectors/store.js';

/** How the suite gets at an adapter. */
export interface StoreUnderTest {
  /** A store over the same place each time, so that a second one sees what the first has written when it is persistent. */
  open(): VectorStore;
  /** Removes that place. */
  remove?(): void;
}

/** Fields of every type, with names that SQL would read as words or fold to lower case. */
export const FIELDS: CollectionSpec['fields'] = [
  { name: 'brand', type: 'string' },
  { name: 'order', type: 'string' },
  { name: 'camelCase', type: 'string' },
  { name: 'CAMELCASE', type: 'string' },
  { name: 'stock', type: 'int' },
  { name: 'price', type: 'float' },
  { name: 'inStock', type: 'boolean' },
  { name: 'released', type: 'datetime' },
  { name: 'tags', type: 'strings' },
  { name: 'extra', type: 'json' },
];

/** A unit vector `[dimension]` that `seed` decides. */
export function unitVector(seed: number, dimension = 8): Float32Array {
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  const vector = Float32Array.from({ length: dimension }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  const norm = Math.hypot(...vector);
  return vector.map((x) => x / norm);
}

/** A record with the given fields. */
export function record(
  id: string,
  fields: Record<string, FieldValue> = {},
  vector: Float32Array = unitVector(id.length),
  hash = `hash of ${id}`,
): VectorRecord {
  return { item: { id, fields }, vector, hash };
}

/** Opens the store of the tests around it before them, hands it over, and closes it behind them. */
export function useStore(
  make: () => StoreUnderTest,
  ready: (store: VectorStore, place: StoreUnderTest) => void,
): void {
  let close: () => Promise<void>;
  beforeAll(() => {
    const place = make();
    const store = place.open();
    close = async () => {
      await store.close();
      place.remove?.();
    };
    ready(store, place);
  });
  afterAll(() => close());
}

/** What every vector store must do, on the adapter that `make` opens. */
export function describeVectorStore(name: string, make: () => StoreUnderTest): void {
  describe(`${name} as a vector store`, () => {
    let place: StoreUnderTest;
    let store: VectorStore;
    let next = 0;
    const open = (over: Partial<CollectionSpec> = {}): Promise<Collection> => {
      next += 1;
      return store.open({ name: `Test_${String(next)}`, dimension: 8, fields: FIELDS, ...over });
    };
    const filled = async (records: readonly VectorRecord[]): Promise<Collection> => {
      const collection = await open();
      await collection.upsert(records);
      return collection;
    };
    /** Ids that match, in order. */
    const matching = async (collection: Collection, filter: Filter): Promise<string[]> => {
      const [hits = []] = await collection.search([unitVector(1)], { limit: 10_000, filter });
      expect(await collection.count(filter)).toBe(hits.length);
      return hits.map(({ id }) => id).sort();
    };

    useStore(make, (opened, at) => {
      store = opened;
      place = at;
    });

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
        expect(
          (await collection.hashes(asked)).every((hash, i) => hash === `hash of ${asked[i] ?? ''}`),
        ).toBe(true);
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
          Array.from({ length: 30 }, (_, i) =>
            record(`r${String(i)}`, { stock: i, deep: [i] }, unitVector(i)),
          ),
        );
        for (const queries of [[unitVector(40)], [unitVector(41), unitVector(42)]])
          for (const hits of await collection.search(queries, { limit: 5, items: true })) {
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
        const queries = Array.from({ length: store.capabilities.maxQueries }, (_, i) => unitVector(i + 500));
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

    describe('filters', () => {
      let collection: Collection;
      beforeAll(async () => {
        collection = await filled([
          record('full', {
            brand: 'Sony',
            order: 'select',
            camelCase: 'lower',
            CAMELCASE: 'upper',
            stock: 5,
            price: 9.5,
            inStock: true,
            released: '2020-01-01T00:00:00Z',
            tags: ['red', 'blue'],
            extra: { a: 1 },
          }),
          record('other', {
            brand: 'sony',
            order: 'from',
            camelCase: 'x',
            CAMELCASE: 'lower',
            stock: Number.MAX_SAFE_INTEGER,
            price: -0,
            inStock: false,
            released: '1969-12-31T23:59:59.999Z',
            tags: [],
          }),
          record('empty'),
          record('nulls', {
            brand: null,
            stock: null,
            price: null,
            inStock: null,
            released: null,
            tags: null,
          }),
        ]);
      });
      const released = Date.parse('2020-01-01T00:00:00Z');
      const cases: [string, Filter, string[]][] = [
        ['eq of a string, by case', { kind: 'eq', field: 'brand', value: 'Sony' }, ['full']],
        ['a field with the name of an SQL word', { kind: 'eq', field: 'order', value: 'from' }, ['other']],
        ['fields that differ in case only', { kind: 'eq', field: 'camelCase', value: 'lower' }, ['full']],
        ['eq of an int', { kind: 'eq', field: 'stock', value: Number.MAX_SAFE_INTEGER }, ['other']],
        ['eq of its neighbour', { kind: 'eq', field: 'stock', value: Number.MAX_SAFE_INTEGER - 1 }, []],
        ['an int against a fraction', { kind: 'eq', field: 'stock', value: 5.5 }, []],
        ['eq of a float', { kind: 'eq', field: 'price', value: 9.5 }, ['full']],
        ['0 and -0 as equal', { kind: 'eq', field: 'price', value: 0 }, ['other']],
        ['-0 and 0 as equal', { kind: 'range', field: 'price', lte: -0, gte: -0 }, ['other']],
        ['eq of true', { kind: 'eq', field: 'inStock', value: true }, ['full']],
        ['eq of false', { kind: 'eq', field: 'inStock', value: false }, ['other']],
        ['eq of a datetime', { kind: 'eq', field: 'released', value: released }, ['full']],
        ['a datetime before 1970', { kind: 'range', field: 'released', lt: 0 }, ['other']],
        [
          'in of strings',
          { kind: 'in', field: 'brand', values: ['Sony', 'x', 'sony', 'y', 'z'] },
          ['full', 'other'],
        ],
        ['in of numbers', { kind: 'in', field: 'stock', values: [5, 6] }, ['full']],
        ['in of booleans', { kind: 'in', field: 'inStock', values: [true, false] }, ['full', 'other']],
        ['in of nothing', { kind: 'in', field: 'brand', values: [] }, []],
        ['gt', { kind: 'range', field: 'stock', gt: 5 }, ['other']],
        ['gte', { kind: 'range', field: 'stock', gte: 5 }, ['full', 'other']],
        ['lt', { kind: 'range', field: 'price', lt: 9.5 }, ['other']],
        ['lte with gt', { kind: 'range', field: 'price', gt: 0, lte: 9.5 }, ['full']],
        ['extreme bounds', { kind: 'range', field: 'price', gt: -Number.MAX_VALUE, lt: 5e-324 }, ['other']],
        ['a range without bounds, as exists', { kind: 'range', field: 'price' }, ['full', 'other']],
        ['contains', { kind: 'contains', field: 'tags', value: 'blue' }, ['full']],
        ['contains of a part of an element', { kind: 'contains', field: 'tags', value: 'blu' }, []],
        ['exists', { kind: 'exists', field: 'brand' }, ['full', 'other']],
        ['exists of an empty list, as missing', { kind: 'exists', field: 'tags' }, ['full']],
        ['and of nothing, as true', { kind: 'and', filters: [] }, ['empty', 'full', 'nulls', 'other']],
        ['or of nothing, as false', { kind: 'or', filters: [] }, []],
        [
          'and',
          {
            kind: 'and',
            filters: [
              { kind: 'exists', field: 'brand' },
              { kind: 'eq', field: 'inStock', value: false },
            ],
          },
          ['other'],
        ],
        [
          'or',
          {
            kind: 'or',
            filters: [
              { kind: 'eq', field: 'brand', value: 'sony' },
              { kind: 'eq', field: 'inStock', value: true },
            ],
          },
          ['full', 'other'],
        ],
      ];
      it.each(cases)('matches %s', async (_title, filter, expected) => {
        expect(await matching(collection, filter)).toEqual(expected);
      });

      it.each(cases)('matches the complement by not: %s', async (_title, filter, expected) => {
        const all = ['empty', 'full', 'nulls', 'other'];
        expect(await matching(collection, { kind: 'not', filter })).toEqual(
          all.filter((id) => !expected.includes(id)),
        );
        expect(await matching(collection, { kind: 'not', filter: { kind: 'not', filter } })).toEqual(
          expected,
        );
      });

      const hostile = [
        '" or 1==1 or "',
        "' OR '1'='1",
        "'; DROP TABLE x; --",
        '\\"',
        "'",
        "''",
        '\\',
        '\\\\',
        '%',
        '_',
        'like',
        'json_contains(x, 1)',
        '“quoted” ‘too’',
        '-- comment',
        '/* comment */',
        '`f_brand`',
        "X'27'",
        '$1',
        '?',
        '{}',
        '\n\r\t',
        '😀\u200d',
        '\u0000',
        'NULL',
        '',
      ];
      it('F1: a filter string with quotes, escapes or SQL in it is bound as a value', async () => {
        const own = await filled(
          hostile.map((text, i) => record(String(i), { brand: text, tags: [text, 'shared'] }, unitVector(i))),
        );
        for (const [i, text] of hostile.entries()) {
          const only = [String(i)];
          expect(await matching(own, { kind: 'eq', field: 'brand', value: text })).toEqual(only);
          expect(await matching(own, { kind: 'in', field: 'brand', values: [text] })).toEqual(only);
          expect(await matching(own, { kind: 'contains', field: 'tags', value: text })).toEqual(only);
          expect(
            await matching(own, { kind: 'not', filter: { kind: 'eq', field: 'brand', value: text } }),
          ).toHaveLength(hostile.length - 1);
        }
      });

      const deep = (levels: number): Filter =>
        levels === 0
          ? { kind: 'exists', field: 'brand' }
          : levels % 3 === 0
            ? { kind: 'not', filter: deep(levels - 1) }
            : {
                kind: levels % 3 === 1 ? 'and' : 'or',
                filters: [{ kind: 'range', field: 'price', gt: levels, lt: 99 }, deep(levels - 1)],
              };
      it('answers filters as deep and as long as it takes', async () => {
        expect(await matching(collection, deep(15))).toBeInstanceOf(Array);
        const values = Array.from({ length: 9_999 }, (_, i) => `brand ${String(i)}`);
        expect(
          await matching(collection, { kind: 'in', field: 'brand', values: [...values, 'Sony'] }),
        ).toEqual(['full']);
        const filters = values
          .slice(0, 1_000)
          .map((value): Filter => ({ kind: 'eq', field: 'brand', value }));
        expect(await matching(collection, { kind: 'or', filters })).toEqual([]);
      });

      const refused: [string, Filter, ErrorReason | undefined][] = [
        ['F2: an unknown field', { kind: 'eq', field: 'nope', value: 1 }, 'UNKNOWN_FIELD'],
        ['F2: a field name with SQL in it', { kind: 'exists', field: 'brand` OR 1=1' }, 'UNKNOWN_FIELD'],
        ['F2: a field of every object', { kind: 'exists', field: '__proto__' }, 'UNKNOWN_FIELD'],
        ['F2: a column of the store itself', { kind: 'eq', field: 'id', value: 'full' }, 'UNKNOWN_FIELD'],
        ['a json field', { kind: 'exists', field: 'extra' }, 'UNKNOWN_FIELD'],
        ['F2: 100 nested filters', deep(100), 'FILTER_TOO_LARGE'],
        [
          'F2: 20,000 values',
          { kind: 'in', field: 'stock', values: Array<number>(20_000).fill(1) },
          'FILTER_TOO_LARGE',
        ],
        ['F2: an int beyond 2^53', { kind: 'eq', field: 'stock', value: 2 ** 63 }, undefined],
        ['a string for a number', { kind: 'eq', field: 'price', value: '9.5' }, undefined],
        ['a number for a string', { kind: 'eq', field: 'brand', value: 1 }, undefined],
        ['a number for a boolean', { kind: 'eq', field: 'inStock', value: 1 }, undefined],
        ['a string for a datetime', { kind: 'eq', field: 'released', value: '2020-01-01' }, undefined],
        ['one wrong value of many', { kind: 'in', field: 'brand', values: ['a', true] }, undefined],
        ['eq of a list', { kind: 'eq', field: 'tags', value: 'red' }, undefined],
        ['contains of a string', { kind: 'contains', field: 'brand', value: 'S' }, undefined],
        ['a range of strings', { kind: 'range', field: 'brand', gt: 1 }, undefined],
        ['a bound that is NaN', { kind: 'range', field: 'price', gt: NaN }, 'NOT_FINITE'],
        ['an infinite bound', { kind: 'range', field: 'price', lt: Infinity }, 'NOT_FINITE'],
        ['a lone surrogate', { kind: 'eq', field: 'brand', value: '\ud800' }, 'BAD_TEXT'],
      ];
      it.each(refused)('refuses %s', async (_title, filter, reason) => {
        const error = { code: 'BAD_USER_INPUT' satisfies ErrorCode, reason };
        await expect(collection.search([unitVector(1)], { limit: 1, filter })).rejects.toMatchObject(error);
        await expect(collection.count(filter)).rejects.toMatchObject(error);
      });
    });

    describe('bad input', () => {
      const vectors: [string, Float32Array, ErrorReason][] = [
        ['V1: no dimensions', new Float32Array(0), 'DIMENSION_MISMATCH'],
        ['V1: one dimension too few', unitVector(1, 7), 'DIMENSION_MISMATCH'],
        ['V1: one dimension too many', unitVector(1, 9), 'DIMENSION_MISMATCH'],
        ['V1: a million dimensions', new Float32Array(1_000_000), 'DIMENSION_MISMATCH'],
        ['V2: NaN', unitVector(1).fill(NaN, 3, 4), 'NOT_FINITE'],
        ['V2: infinity', unitVector(1).fill(-Infinity, 7), 'NOT_FINITE'],
        ['V3: all zeros', new Float32Array(8), 'ZERO_NORM'],
        ['V3: all negative zeros', new Float32Array(8).fill(-0), 'ZERO_NORM'],
      ];
      it.each(vectors)(
        'refuses a vector with %s, in a record and in a query',
        async (_title, vector, reason) => {
          const collection = await filled([record('kept')]);
          const error = { code: 'BAD_USER_INPUT', reason };
          await expect(collection.upsert([record('good'), record('bad', {}, vector)])).rejects.toMatchObject(
            error,
          );
          await expect(collection.search([unitVector(1), vector], { limit: 1 })).rejects.toMatchObject(error);
          expect(await collection.fetch(['kept', 'good', 'bad'])).toMatchObject([{ id: 'kept' }, null, null]);
        },
      );

      it('writes nothing of a call with one item of a wrong type', async () => {
        const collection = await open();
        const bad = record('bad', { price: 'dear' });
        await expect(collection.upsert([record('good'), bad])).rejects.toMatchObject({
          code: 'BAD_USER_INPUT',
        });
        expect(await collection.count()).toBe(0);
      });

      it('refuses more records, more queries and other limits than its capabilities name', async () => {
        const collection = await filled([record('a')]);
        const { maxQueries, maxUpsert } = store.capabilities;
        const queries = Array.from({ length: maxQueries + 1 }, () => unitVector(1));
        const error = { code: 'BAD_USER_INPUT' };
        await expect(collection.search(queries, { limit: 1 })).rejects.toMatchObject(error);
        for (const limit of [0, -1, 1.5, NaN]) {
          await expect(collection.search([unitVector(1)], { limit })).rejects.toMatchObject(error);
        }
        const records = Array.from({ length: maxUpsert + 1 }, (_, i) => record(String(i)));
        await expect(collection.upsert(records)).rejects.toMatchObject(error);
        await expect(collection.upsert([record('\udfff')])).rejects.toMatchObject({ reason: 'BAD_TEXT' });
      });
    });

    describe('collections', () => {
      it('have what the capabilities of their store name', async () => {
        const { aliases, lexical } = store.capabilities;
        expect(store.aliases !== undefined).toBe(aliases);
        expect((await open()).lexical).toBe(false);
        if (typeof lexical === 'boolean') expect((await open({ text: ['brand'] })).lexical).toBe(lexical);
      });

      it('lists what is open and forgets what is dropped', async () => {
        const collection = await filled([record('a')]);
        const { name } = collection.spec;
        expect(await store.list()).toContain(name);
        await store.check();
        await store.drop(name);
        expect(await store.list()).not.toContain(name);
        await store.drop('never_there');
        const anew = await store.open({ ...collection.spec, dimension: 4 });
        expect(await anew.count()).toBe(0);
      });

      it('opens the same collection twice as one', async () => {
        const one = await filled([record('a')]);
        const [two, three] = await Promise.all([store.open(one.spec), store.open(one.spec)]);
        await two.upsert([record('b')]);
        expect(await one.count()).toBe(2);
        expect(await three.count()).toBe(2);
      });

      it('refuses one that exists with another dimension or other fields, and says what to do', async () => {
        const { spec } = await filled([record('a')]);
        const advice = /Drop it or choose another data folder, then import again/;
        await expect(store.open({ ...spec, dimension: 9 })).rejects.toThrow(advice);
        await expect(store.open({ ...spec, fields: spec.fields.slice(1) })).rejects.toThrow(advice);
        const retyped = spec.fields.map((field) => ({ ...field, type: 'string' as const }));
        await expect(store.open({ ...spec, fields: retyped })).rejects.toThrow(advice);
        const same = await store.open({ ...spec, fields: [...spec.fields].reverse() });
        expect(await same.count()).toBe(1);
      });

      it.each(['', 'a/b', '../x', 'a.b', 'x'.repeat(201)])('refuses the name %j', async (bad) => {
        await expect(store.open({ name: bad, dimension: 8, fields: [] })).rejects.toThrow(TypeError);
      });

      it('keeps what it was given when it is persistent', async () => {
        if (!store.capabilities.persistent) return;
        const { spec } = await filled([record('a', { brand: 'x' }), record('b')]);
        const other = place.open();
        const reopened = await other.open(spec);
        expect(await reopened.fetch(['a'])).toEqual([{ id: 'a', fields: { brand: 'x' } }]);
        expect(await other.list()).toContain(spec.name);
        await expect(other.open({ ...spec, dimension: 3 })).rejects.toThrow(/8 dimensions/);
        await other.close();
      });
    });
  });
}
