import type { MilvusClient } from '@zilliz/milvus2-sdk-node';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FieldValue, Item } from '../src/catalogue/item.js';
import type { Filter } from '../src/vectors/filter.js';
import type { MilvusAdoption } from '../src/vectors/milvus-options.js';
import { createMilvusStore } from '../src/vectors/milvus.js';
import { compilePredicate } from '../src/vectors/predicate.js';
import type { Collection, CollectionSpec, VectorStore } from '../src/vectors/store.js';
import { filterableFields, indexedValue, typedFilter } from '../src/vectors/typed-filter.js';
import { unitVector } from './conformance/harness.js';
import { type Milvus, milvusOptions, skipMilvus, startMilvus } from './milvus.js';

const TEXTS = ['', 'a', 'A', 'v', '"', '\\', "o'neil", '😀', '日本', '" or id >= 0 or "', 'null', '%', '\n'];
const INTS = [0, 1, -1, 100, 127, -128, 2 ** 31 - 1, -(2 ** 31)];
const BOUNDS = [...INTS, 0.5, -0.5, 99.9, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53 - 1)];
const FLOATS = [0, 0.1, -0.1, 1.5, 1e300, -1e300, Number.MAX_VALUE];
const TIMES = [0, 1, -1, 1_700_000_000_000, 253_402_300_799_999];

const SPEC: CollectionSpec = {
  name: 'product__v2__0123_4567',
  version: 'v2',
  dimension: 8,
  fields: [
    { name: 'brand', type: 'string' },
    { name: 'stock', type: 'int' },
    { name: 'price', type: 'float' },
    { name: 'inStock', type: 'boolean' },
    { name: 'released', type: 'datetime' },
    { name: 'tags', type: 'strings' },
  ],
};
const ADOPTION: MilvusAdoption = {
  collection: 'Theirs',
  vector: 'embedding',
  fields: { brand: 'maker', stock: 'amount', inStock: 'is_there' },
};

/** A row as somebody else wrote it, and the item that it stands for. */
const rowOf = fc
  .record({
    maker: fc.constantFrom(...TEXTS),
    amount: fc.constantFrom(...INTS),
    price: fc.constantFrom(...FLOATS),
    is_there: fc.boolean(),
    released: fc.constantFrom(...TIMES),
    tags: fc.array(fc.constantFrom(...TEXTS), { maxLength: 3 }),
    extra: fc.constantFrom<FieldValue>({ deep: [1, null, 'x'] }, { none: true }),
  })
  .map((row) => {
    const { maker, amount, is_there, released, ...others } = row;
    const fields: Record<string, FieldValue> = {
      ...others,
      brand: maker,
      stock: amount,
      inStock: is_there,
      released: new Date(released).toISOString(),
    };
    return { row, fields };
  });

const numeric = (field: string, values: readonly number[]): fc.Arbitrary<Filter> =>
  fc.oneof(
    fc.constantFrom(...values).map((value): Filter => ({ kind: 'eq', field, value })),
    fc
      .array(fc.constantFrom(...values), { maxLength: 3 })
      .map((list): Filter => ({ kind: 'in', field, values: list })),
    fc
      .record(
        Object.fromEntries(['gt', 'gte', 'lt', 'lte'].map((bound) => [bound, fc.constantFrom(...values)])),
        { requiredKeys: [] },
      )
      .map((bounds): Filter => ({ kind: 'range', field, ...bounds })),
  );
const leaf: fc.Arbitrary<Filter> = fc.oneof(
  fc.constantFrom(...TEXTS).map((value): Filter => ({ kind: 'eq', field: 'brand', value })),
  fc
    .array(fc.constantFrom(...TEXTS), { maxLength: 3 })
    .map((values): Filter => ({ kind: 'in', field: 'brand', values })),
  numeric('stock', BOUNDS),
  numeric('price', FLOATS),
  numeric('released', [...TIMES, 0.5, 1e300]),
  fc
    .array(fc.boolean(), { maxLength: 2 })
    .map((values): Filter => ({ kind: 'in', field: 'inStock', values })),
  fc.constantFrom(...TEXTS).map((value): Filter => ({ kind: 'contains', field: 'tags', value })),
  fc.constantFrom(...SPEC.fields).map(({ name }): Filter => ({ kind: 'exists', field: name })),
);
const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 3, arbitrary: leaf },
    fc
      .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(tie('filter'), { maxLength: 3 }))
      .map(([kind, filters]): Filter => ({ kind, filters })),
    tie('filter').map((inner): Filter => ({ kind: 'not', filter: inner })),
  ),
}));

const skip = skipMilvus();

describe.skipIf(skip !== undefined)(
  `a collection of the real Milvus that somebody else made${skip === undefined ? '' : ` (${skip})`}`,
  () => {
    const made = fc.sample(rowOf, { numRuns: 60, seed: 5 });
    const items = made.map(({ fields }, at): Item => ({ id: String(at * 7 - 20), fields }));
    let milvus: Milvus;
    let owner: MilvusClient;
    let collection: Collection;
    const stores: VectorStore[] = [];
    const storeWith = (adoption: Partial<MilvusAdoption> = {}): VectorStore => {
      const store = createMilvusStore(milvusOptions(milvus, { adopt: { v2: { ...ADOPTION, ...adoption } } }));
      stores.push(store);
      return store;
    };
    const make = async (name: string, metric: string): Promise<void> => {
      await owner.createCollection({
        collection_name: name,
        fields: [
          { name: 'pk', data_type: 'Int64', is_primary_key: true },
          { name: 'embedding', data_type: 'FloatVector', dim: 8 },
          { name: 'maker', data_type: 'VarChar', max_length: 100 },
          { name: 'amount', data_type: 'Int32' },
          { name: 'price', data_type: 'Double' },
          { name: 'is_there', data_type: 'Bool' },
          { name: 'released', data_type: 'Int64' },
          { name: 'tags', data_type: 'Array', element_type: 'VarChar', max_length: 100, max_capacity: 10 },
          { name: 'extra', data_type: 'JSON' },
        ],
      });
      await owner.createIndex({
        collection_name: name,
        field_name: 'embedding',
        index_type: 'IVF_FLAT',
        metric_type: metric,
        params: { nlist: 16 },
      });
    };

    beforeAll(async () => {
      milvus = await startMilvus();
      const { MilvusClient, logger } = await import('@zilliz/milvus2-sdk-node');
      logger.silent = true;
      owner = new MilvusClient({ address: milvus.address, telemetry: { enabled: false } });
      await make('Theirs', 'COSINE');
      await make('Theirs_L2', 'L2');
      const data = made.map(({ row }, at) => ({
        ...row,
        pk: at * 7 - 20,
        embedding: Array.from(unitVector(at), (value) => value * 3),
      }));
      await owner.upsert({ collection_name: 'Theirs', data });
      collection = await storeWith().open(SPEC);
    });
    afterAll(async () => {
      for (const store of stores) await store.close();
      await owner.closeConnection();
      await milvus.close();
    });

    it('answers searches with its own keys, best first', async () => {
      const [hits = []] = await collection.search([unitVector(3)], { limit: 5 });
      expect(hits).toHaveLength(5);
      expect(hits[0]).toMatchObject({ id: '1', score: expect.closeTo(1, 4) as number });
    });

    it('gives items by the names of the catalogue, and vectors of length 1, in the order of the ids', async () => {
      const ids = ['8', 'no number', '1', '-20', '99999999999999999999', '8'];
      expect(await collection.fetch(ids)).toEqual(
        ids.map((id) => items.find((item) => item.id === id) ?? null),
      );
      const [vector] = await collection.vectors(['1']);
      for (const [at, value] of unitVector(3).entries()) expect(vector?.[at]).toBeCloseTo(value, 5);
    });

    it('reads the columns of the fields that are asked for alone, and brings them along with hits', async () => {
      const some = ['brand', 'extra', 'none of its'];
      const partly = ({ id, fields: { brand = null, extra = null } }: Item): Item => ({
        id,
        fields: { brand, extra },
      });
      const ids = items.slice(0, 3).map(({ id }) => id);
      expect(await collection.fetch(ids, some)).toEqual(items.slice(0, 3).map(partly));
      expect(await collection.fetch(ids, [])).toEqual(ids.map((id) => ({ id, fields: {} })));
      const [hits = []] = await collection.search([unitVector(3)], { limit: 5, items: some });
      expect(hits.map(({ item }) => item?.())).toEqual(
        hits.map(({ id }) => items.filter((item) => item.id === id).map(partly)[0]),
      );
      const [bare = []] = await collection.search([unitVector(3)], { limit: 5 });
      expect(bare.every(({ item }) => item === undefined)).toBe(true);
    });

    it('names every record once in a scan, and goes on behind an id', async () => {
      const scanned: string[] = [];
      for await (const records of collection.scan({ batch: 7 })) {
        expect(records.length).toBeLessThanOrEqual(7);
        scanned.push(...records.map(({ item }) => item.id));
      }
      expect(scanned).toEqual(items.map(({ id }) => id));
      for await (const [first] of collection.scan({ batch: 7, after: '1' })) {
        expect(first?.item).toEqual(items[4]);
        break;
      }
      expect(await collection.status()).toEqual({
        rows: items.length,
        index: 'READY',
        indexType: 'IVF_FLAT',
      });
    });

    it('finds what 1,000 random filters mean', async () => {
      const values = items.map((item) => ({
        id: item.id,
        values: new Map(filterableFields(SPEC).map((field) => [field.name, indexedValue(item, field)])),
      }));
      const differing: unknown[] = [];
      const check = async (asked: Filter): Promise<void> => {
        const fits = compilePredicate(typedFilter(asked, SPEC));
        const expected = values.filter((each) => fits(each.values)).map(({ id }) => id);
        const [[hits = []], count] = await Promise.all([
          collection.search([unitVector(1)], { limit: items.length, filter: asked }),
          collection.count(asked),
        ]);
        const found = hits.map(({ id }) => id).sort();
        if (found.join() !== expected.sort().join() || count !== expected.length)
          differing.push({ asked, expected, found, count });
      };
      const filters = fc.sample(filter, { numRuns: 1_000, seed: 6 });
      for (let from = 0; from < filters.length; from += 50)
        await Promise.all(filters.slice(from, from + 50).map(check));
      expect(differing.slice(0, 3)).toEqual([]);
    });

    it('is read and never written', async () => {
      const refused = { code: 'FEATURE_UNSUPPORTED' };
      const record = { item: { id: '1', fields: {} }, vector: unitVector(1), hash: '' };
      await expect(collection.upsert([record])).rejects.toMatchObject(refused);
      await expect(collection.delete(['1'])).rejects.toMatchObject(refused);
      expect(await collection.hashes(['1'])).toEqual([null]);
      await storeWith().drop(SPEC.name);
      expect(await collection.count()).toBe(items.length);
    });

    it.each<[string, Partial<MilvusAdoption>, Partial<CollectionSpec>, RegExp]>([
      ['is not there', { collection: 'Nowhere' }, {}, /Nowhere can't be adopted.*not there/],
      ['has no such vector', { vector: 'vector' }, {}, /"vector" is no FloatVector/],
      ['has another metric', { collection: 'Theirs_L2' }, {}, /COSINE, and has L2/],
      ['has vectors of another dimension', {}, { dimension: 9 }, /8 dimensions, the model makes 9/],
      ['lacks a column', { fields: {} }, {}, /"brand" wants a column of type VarChar, and it has none/],
      [
        'has a column of another type',
        { fields: { ...ADOPTION.fields, brand: 'price', price: 'maker' } },
        {},
        /"brand" wants a column of type VarChar, and it has price of type Double/,
      ],
    ])('says why one that %s is refused', async (_title, adoption, spec, message) => {
      await expect(storeWith(adoption).open({ ...SPEC, ...spec })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringMatching(message) as string,
      });
    });
  },
);
