import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FieldValue } from '../src/catalogue/item.js';
import type { Filter, FilterValue } from '../src/vectors/filter.js';
import { compileSql } from '../src/vectors/lancedb-filter.js';
import { createLanceDbStore } from '../src/vectors/lancedb.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import type { Collection, VectorStore } from '../src/vectors/store.js';
import { typedFilter } from '../src/vectors/typed-filter.js';
import { FIELDS, record, unitVector } from './conformance/harness.js';

/** Few values, so that rows and filters meet; all of them trouble for someone who pastes them into SQL. */
const TEXTS = [
  "'",
  '"',
  '\\',
  "\\'",
  '%',
  '_',
  '--',
  ';',
  '“',
  '’',
  '😀',
  'é',
  'e\u0301',
  '',
  ' ',
  "' OR 1=1 --",
  '`',
  'NULL',
];
const NUMBERS = [0, -0, 1, -1, 2, 0.1, 0.5, -1.5, 1e21, -1e-7, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE];
const INTS = [0, 1, -1, 2, 41, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER];
const DATES = [
  '1969-12-31T23:59:59.999Z',
  '1970-01-01T00:00:00.000Z',
  '2024-02-29T00:00:00.000Z',
  '9999-12-31T00:00:00.000Z',
];

const nullable = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { nil: null });
const text = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc.string({ unit: 'grapheme', maxLength: 3 }).filter((value) => !value.includes('\u0000')),
);

const fieldsOfRow = fc.record({
  brand: nullable(text),
  order: nullable(text),
  camelCase: nullable(text),
  stock: nullable(fc.constantFrom(...INTS)),
  price: nullable(fc.constantFrom(...NUMBERS)),
  inStock: nullable(fc.boolean()),
  released: nullable(fc.constantFrom(...DATES)),
  tags: nullable(fc.array(text, { maxLength: 3 })),
});

const valueOf: Record<string, fc.Arbitrary<FilterValue>> = {
  brand: text,
  order: text,
  camelCase: text,
  stock: fc.constantFrom(...INTS, 0.5),
  price: fc.constantFrom(...NUMBERS),
  inStock: fc.boolean(),
  released: fc.constantFrom(...DATES.map((date) => Date.parse(date))),
};
const bounds = fc.constantFrom<number | undefined>(undefined, ...NUMBERS);
const intBounds = fc.constantFrom<number | undefined>(undefined, ...INTS);
const range = (field: string, bound: fc.Arbitrary<number | undefined>): fc.Arbitrary<Filter> =>
  fc.record({
    kind: fc.constant('range' as const),
    field: fc.constant(field),
    gt: bound,
    gte: bound,
    lt: bound,
    lte: bound,
  });

const leaf: fc.Arbitrary<Filter> = fc.oneof(
  ...Object.entries(valueOf).flatMap(([field, value]): fc.Arbitrary<Filter>[] => [
    value.map((one): Filter => ({ kind: 'eq', field, value: one })),
    fc.array(value, { maxLength: 5 }).map((values): Filter => ({ kind: 'in', field, values })),
  ]),
  range('price', bounds),
  range('stock', intBounds),
  text.map((value): Filter => ({ kind: 'contains', field: 'tags', value })),
  fc.constantFrom(...Object.keys(valueOf), 'tags').map((field): Filter => ({ kind: 'exists', field })),
);
const filters = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', maxDepth: 5 },
    leaf,
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      filters: fc.array(tie('filter'), { maxLength: 3, size: 'small' }),
    }),
    fc.record({ kind: fc.constant('not' as const), filter: tie('filter') }),
  ),
})).filter;

const SPEC = { name: 'Filters', dimension: 8, fields: FIELDS };

describe('filters', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-filter-'));
  const stores: VectorStore[] = [
    createMemoryStore(),
    createLanceDbStore({
      folder: join(folder, 'plain'),
      indexFromRows: 1_000_000,
      refineFactor: 3,
      refreshMs: 0,
    }),
    createLanceDbStore({ folder: join(folder, 'indexed'), indexFromRows: 10, refineFactor: 3, refreshMs: 0 }),
  ];
  const collections: Collection[] = [];
  let rows: Record<string, FieldValue>[] = [];

  beforeAll(async () => {
    rows = fc.sample(fieldsOfRow, { seed: 20_261_123, numRuns: 400 });
    const records = rows.map((fields, i) => record(`r${String(i)}`, fields, unitVector(i)));
    for (const store of stores) {
      const collection = await store.open(SPEC);
      await collection.upsert(records.slice(0, 300));
      await collection.optimize();
      // Rows outside the indexes, some of them replacements.
      await collection.upsert(records.slice(250));
      await collection.delete(['r3', 'r260', 'r399']);
      collections.push(collection);
    }
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('F1: match the same rows in memory and in LanceDB, whatever they hold', async () => {
    const [memory, ...others] = collections;
    if (memory === undefined) throw new Error('no stores');
    await fc.assert(
      fc.asyncProperty(filters, async (filter) => {
        const query = [unitVector(7)];
        const [expected = []] = await memory.search(query, { limit: 1_000, filter });
        const ids = expected.map(({ id }) => id).sort();
        for (const other of others) {
          const [hits = []] = await other.search(query, { limit: 1_000, filter });
          expect(hits.map(({ id }) => id).sort()).toEqual(ids);
          expect(await other.count(filter)).toBe(ids.length);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('F1: let no character of a value into the SQL text', () => {
    fc.assert(
      fc.property(filters, (filter) => {
        const sql = compileSql(typedFilter(filter, SPEC));
        const words =
          /^(?:CAST|X'[0-9a-f]*'|AS|STRING|AND|OR|IN|NOT|IS|NULL|TRUE|true|false|array_has|`f_[A-Za-z_]\w*`|-?\d[\d.e+-]*|[(),=<> ])*$/;
        expect(sql).toMatch(words);
      }),
      { numRuns: 500 },
    );
  });
});
