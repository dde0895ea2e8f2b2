import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FieldValue, Item } from '../../src/catalogue/item.js';
import type { Filter } from '../../src/vectors/filter.js';
import type { FilterLeaf } from '../../src/vectors/typed-filter.js';
import type { Collection, VectorStore } from '../../src/vectors/store.js';
import { FIELDS, type StoreUnderTest, record, unitVector, useStore } from './harness.js';

/** Texts that are hard to quote, to compare or to store; few, so that filters meet rows. */
const TEXTS = [
  '',
  ' ',
  'a',
  'A',
  'v',
  "o'neil",
  '"',
  '\\',
  '\\"',
  '%',
  '_',
  'null',
  'é',
  'e\u0301',
  'ß',
  '日本',
  '😀',
  '👩‍👩‍👧',
  '\n',
  '\t',
  '\u200b',
  '" or 1==1 or "',
  "'; DROP TABLE x; --",
  'x'.repeat(300),
  `${'y'.repeat(70_000)}1`,
  `${'y'.repeat(70_000)}2`,
];
const INTS = [0, 1, -1, 2, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 53 - 2];
const FLOATS = [
  0,
  -0,
  0.1,
  -0.1,
  1,
  1.5,
  5e-324,
  -5e-324,
  1e308,
  -1e308,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
];
const TIMES = [0, 1, -1, 951_782_400_123, 1_700_000_000_000, -62_135_596_800_000, 253_402_300_799_999];

const text = fc.constantFrom(...TEXTS);
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null | undefined> =>
  fc.oneof({ weight: 4, arbitrary: value }, fc.constantFrom(null, undefined));

const fieldsOfRow = fc.record({
  brand: optional(text),
  order: optional(text),
  camelCase: optional(text),
  stock: optional(fc.constantFrom(...INTS)),
  price: optional(fc.constantFrom(...FLOATS)),
  inStock: optional(fc.boolean()),
  released: optional(fc.constantFrom(...TIMES).map((time) => new Date(time).toISOString())),
  tags: optional(fc.array(text, { maxLength: 4 })),
});

const texts = fc.constantFrom('brand', 'order', 'camelCase');
const range = (field: string, values: readonly number[]): fc.Arbitrary<Filter> =>
  fc
    .record(
      Object.fromEntries(['gt', 'gte', 'lt', 'lte'].map((bound) => [bound, fc.constantFrom(...values)])),
      { requiredKeys: [] },
    )
    .map((bounds): Filter => ({ kind: 'range', field, ...bounds }));
const numeric = (field: string, values: readonly number[]): fc.Arbitrary<Filter> =>
  fc.oneof(
    fc.constantFrom(...values).map((value): Filter => ({ kind: 'eq', field, value })),
    fc
      .array(fc.constantFrom(...values), { maxLength: 4 })
      .map((list): Filter => ({ kind: 'in', field, values: list })),
    range(field, values),
  );
const leaf: fc.Arbitrary<Filter> = fc.oneof(
  fc.tuple(texts, text).map(([field, value]): Filter => ({ kind: 'eq', field, value })),
  fc
    .tuple(texts, fc.array(text, { maxLength: 4 }))
    .map(([field, values]): Filter => ({ kind: 'in', field, values })),
  numeric('stock', INTS),
  numeric('price', FLOATS),
  numeric('released', TIMES),
  fc.boolean().map((value): Filter => ({ kind: 'eq', field: 'inStock', value })),
  fc
    .array(fc.boolean(), { maxLength: 2 })
    .map((values): Filter => ({ kind: 'in', field: 'inStock', values })),
  text.map((value): Filter => ({ kind: 'contains', field: 'tags', value })),
  fc
    .constantFrom('brand', 'stock', 'price', 'inStock', 'released', 'tags')
    .map((field): Filter => ({ kind: 'exists', field })),
);
/** Else trees are nearly always as deep as they may be, and stores take ten times as long for them. */
const small = { maxLength: 3, size: 'small' } as const;
const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    { weight: 3, arbitrary: leaf },
    fc
      .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(tie('filter'), small))
      .map(([kind, filters]): Filter => ({ kind, filters })),
    tie('filter').map((inner): Filter => ({ kind: 'not', filter: inner })),
  ),
}));

/** What a filter means, in the plainest words: two-valued, a missing value fits nothing, an empty list is a missing value. */
function fits(item: Item, node: Filter): boolean {
  switch (node.kind) {
    case 'and':
    case 'or': {
      const parts = node.filters.map((each) => fits(item, each));
      return node.kind === 'and' ? !parts.includes(false) : parts.includes(true);
    }
    case 'not':
      return !fits(item, node.filter);
    default:
      return leafFits(item, node);
  }
}

function leafFits({ fields }: Item, node: FilterLeaf): boolean {
  const given: FieldValue | undefined = fields[node.field];
  if (given === null || given === undefined || (Array.isArray(given) && given.length === 0)) return false;
  const value = node.field === 'released' ? Date.parse(given as string) : given;
  switch (node.kind) {
    case 'exists':
      return true;
    case 'eq':
      return value === node.value;
    case 'in':
      return node.values.some((each) => value === each);
    case 'contains':
      return (value as string[]).includes(node.value);
    case 'range': {
      const number = value as number;
      return (
        (node.gt === undefined || number > node.gt) &&
        (node.gte === undefined || number >= node.gte) &&
        (node.lt === undefined || number < node.lt) &&
        (node.lte === undefined || number <= node.lte)
      );
    }
  }
}

/** A filter that found something else than it means. */
interface Difference {
  readonly asked: Filter;
  readonly expected: readonly string[];
  readonly found: readonly string[];
  readonly count: number;
}

/** Filters that a store is asked at once. */
const AT_ONCE = 50;
/** Rows that a set of filters is asked of. */
const ROWS = 40;
/** Sets of rows, and filters that each is asked: 5,000 cases. */
const SETS = 5;
const FILTERS = 1_000;

/** Compares what a store finds with what the filter means, on random rows and filters. */
export function describeFilterProperties(name: string, make: () => StoreUnderTest): void {
  describe(`${name} as a store that filters`, () => {
    let store: VectorStore;
    useStore(make, (opened) => {
      store = opened;
    });

    it.each(Array.from({ length: SETS }, (_, seed) => seed))(
      `finds what ${String(FILTERS)} filters mean (set %i of rows)`,
      async (seed) => {
        const rows = fc.sample(fieldsOfRow, { numRuns: ROWS, seed });
        const items = rows.map((fields, at): Item => ({
          id: `r${String(at)}`,
          fields: fields as Record<string, FieldValue>,
        }));
        const collection: Collection = await store.open({
          name: `Filters_${String(seed)}`,
          dimension: 8,
          fields: FIELDS,
        });
        await collection.upsert(items.map(({ id, fields }, at) => record(id, fields, unitVector(at))));
        if (seed % 2 === 1) await collection.optimize();
        const differing: Difference[] = [];
        const check = async (asked: Filter): Promise<void> => {
          const expected = items.filter((item) => fits(item, asked)).map(({ id }) => id);
          const [[hits = []], count] = await Promise.all([
            collection.search([unitVector(1)], { limit: ROWS, filter: asked }),
            collection.count(asked),
          ]);
          const found = hits.map(({ id }) => id).sort();
          if (found.join() !== expected.sort().join() || count !== expected.length)
            differing.push({ asked, expected, found, count });
        };
        // Many at once: a server that is asked for its newest state takes its time for each answer.
        const filters = fc.sample(filter, { numRuns: FILTERS, seed });
        for (let from = 0; from < FILTERS; from += AT_ONCE)
          await Promise.all(filters.slice(from, from + AT_ONCE).map(check));
        // The simplest tells most.
        const size = ({ asked }: Difference): number => JSON.stringify(asked).length;
        expect(differing.sort((a, b) => size(a) - size(b)).slice(0, 3)).toEqual([]);
      },
    );
  });
}
