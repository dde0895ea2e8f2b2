import { beforeAll, describe, expect, it } from 'vitest';
import { createFilterReader } from '../resolvers/filter.js';
import { type Harness, catalogue, createHarness, faultOf, makeItems } from './schema-harness.js';

const SEARCH = `query ($filter: ProductFilter) {
  search(query: "thing", first: 100, filter: $filter) { nodes { id brand price stock tags released inStock } }
}`;

interface Node {
  id: string;
  brand: string | null;
  price: number | null;
  stock: number | null;
  tags: string[] | null;
  released: string | null;
  inStock: boolean | null;
}

describe('filters', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await createHarness({
      items: [...makeItems(20), { id: 'bare', fields: { title: 'bare thing' } }],
    });
  });

  const found = async (filter: unknown): Promise<Node[]> => {
    const { data, errors } = await harness.run(SEARCH, { filter });
    expect(errors).toBeUndefined();
    return (data?.search as { nodes: Node[] }).nodes;
  };

  const DAY = 86_400_000;
  const cases: [string, unknown, (item: Node) => boolean][] = [
    ['a text by eq', { brand: { eq: 'Even' } }, ({ brand }) => brand === 'Even'],
    ['a text by in', { brand: { in: ['Odd', 'x'] } }, ({ brand }) => brand === 'Odd'],
    ['a missing text', { brand: { exists: false } }, ({ brand }) => brand === null],
    [
      'a number by range',
      { price: { gt: 3.5, lte: 9.5 } },
      ({ price }) => price !== null && price > 3.5 && price <= 9.5,
    ],
    [
      'a number by another range',
      { price: { gte: 3.5, lt: 9.5 } },
      ({ price }) => price !== null && price >= 3.5 && price < 9.5,
    ],
    ['a whole number beyond 32 bits', { stock: { eq: 3 * 2 ** 33 } }, ({ stock }) => stock === 3 * 2 ** 33],
    ['a list by contains', { tags: { contains: 'three' } }, ({ tags }) => tags?.includes('three') ?? false],
    [
      'a list by containsAny',
      { tags: { containsAny: ['n3', 'n6', 'x'] } },
      ({ id }) => id === 'p003' || id === 'p006',
    ],
    ['an empty or missing list', { tags: { exists: false } }, ({ tags }) => (tags ?? []).length === 0],
    [
      'a moment by range, in another zone',
      { released: { gte: '2020-01-05T02:00:00+02:00' } },
      ({ released }) => released !== null && Date.parse(released) >= Date.UTC(2020, 0, 5),
    ],
    [
      'a moment by eq',
      { released: { eq: new Date(Date.UTC(2020, 0, 1) + 4 * DAY).toISOString() } },
      ({ id }) => id === 'p004',
    ],
    ['a yes or no', { inStock: { eq: false } }, ({ inStock }) => inStock === false],
    [
      'two fields at once',
      { brand: { eq: 'Even' }, price: { lt: 5 } },
      ({ brand, price }) => brand === 'Even' && price !== null && price < 5,
    ],
    [
      'and, or, not in one another',
      {
        or: [
          { brand: { eq: 'Odd' }, not: { price: { gt: 4 } } },
          { and: [{ inStock: { eq: false } }, { price: { gt: 10 } }] },
        ],
      },
      ({ brand, price, inStock }) =>
        (brand === 'Odd' && !(price !== null && price > 4)) ||
        (inStock === false && price !== null && price > 10),
    ],
    ['a missing value by not', { not: { price: { gt: 0 } } }, ({ price }) => price === null],
    ['nothing at all', {}, () => true],
    [
      'conditions that are null',
      { brand: null, and: null, or: null, not: null, price: { gt: null } },
      () => true,
    ],
    ['an empty and', { and: [] }, () => true],
    ['an empty or', { or: [] }, () => false],
    ['an empty in', { brand: { in: [] } }, () => false],
    ['an empty containsAny', { tags: { containsAny: [] } }, () => false],
  ];
  it.each(cases)('select by %s', async (_name, filter, expected) => {
    const all = await found(null);
    expect(all).toHaveLength(21);
    const ids = (items: Node[]): string[] => items.map(({ id }) => id).sort();
    expect(ids(await found(filter))).toEqual(ids(all.filter(expected)));
  });

  const NASTY = [
    '" or 1==1 or "',
    '\\"',
    "'",
    "' OR 1=1 --",
    '\\\\',
    '%',
    'like',
    'json_contains',
    '\u201cquoted\u201d',
    '/* x */',
    '-- x',
    '{brand}',
  ];
  it('F1: a filter string full of quotes and operators is bound as a value', async () => {
    const items = NASTY.map((brand, index) => ({
      id: `n${index}`,
      fields: { title: `item ${index}`, brand, tags: [brand] },
    }));
    const own = await createHarness({ items: [...items, ...makeItems(5)] });
    const query =
      'query ($filter: ProductFilter) { search(query: "item", filter: $filter) { nodes { id } } }';
    for (const [index, brand] of NASTY.entries()) {
      for (const filter of [
        { brand: { eq: brand } },
        { brand: { in: [brand] } },
        { tags: { contains: brand } },
      ]) {
        const { data } = await own.run(query, { filter });
        expect(data?.search).toEqual({ nodes: [{ id: `n${index}` }] });
      }
    }
  });

  const unfit: [string, unknown][] = [
    ['a field that is not in the schema', { colour: { eq: 'red' } }],
    ['a field that is not filterable', { title: { eq: 'red' } }],
    ['an operator of another type', { brand: { gt: 'a' } }],
    ['a whole number of 2^53', { stock: { eq: 2 ** 53 } }],
    ['a whole number of 64 bits', { stock: { gt: 9_223_372_036_854_775_807 } }],
    ['a fraction for a whole number', { stock: { eq: 1.5 } }],
    ['text for a number', { price: { gt: '5' } }],
    ['Infinity', { price: { lt: Infinity } }],
    ['null in a list', { brand: { in: [null] } }],
    ['a number for text', { brand: { eq: 5 } }],
    ['a day that does not exist', { released: { eq: '2021-02-30T00:00:00Z' } }],
    ['a moment without an offset', { released: { eq: '2021-02-03T00:00:00' } }],
    ['prototype names', JSON.parse('{"__proto__": {"eq": "x"}}')],
  ];
  it.each(unfit)('F2, G8: %s is refused while variables are read', async (_name, filter) => {
    const { data, errors } = await harness.run(SEARCH, { filter });
    expect(data).toBeUndefined();
    expect(errors?.length).toBeGreaterThan(0);
  });

  const nest = (depth: number): object =>
    depth === 0 ? { brand: { eq: 'Even' } } : { not: nest(depth - 1) };
  const large: [string, unknown][] = [
    ['10,000 values in a list', { brand: { in: new Array(10_000).fill('x') } }],
    ['10,000 operands', { or: new Array(10_000).fill({ inStock: { eq: true } }) }],
    ['10,000 empty operands', { and: new Array(10_000).fill({}) }],
    [
      'many lists that are short alone',
      { or: new Array(40).fill({ tags: { containsAny: new Array(40).fill('x') } }) },
    ],
    ['100 nested operators', nest(100)],
    ['8 nested operators', nest(8)],
  ];
  it.each(large)('F2: %s are FILTER_TOO_LARGE before anything is embedded', async (_name, filter) => {
    const embedded = harness.embedders.v2.calls.length;
    const result = await harness.run(SEARCH, { filter });
    expect(faultOf(result)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'FILTER_TOO_LARGE' });
    expect(harness.embedders.v2.calls).toHaveLength(embedded);
  });

  it('F2: 7 nested operators around a condition are the most by default', async () => {
    await expect(found(nest(7))).resolves.not.toHaveLength(0);
  });

  it('refuse null for eq and contains, which would silently select everything', async () => {
    for (const filter of [{ brand: { eq: null } }, { tags: { contains: null } }]) {
      expect(faultOf(await harness.run(SEARCH, { filter }))).toMatchObject({ code: 'BAD_USER_INPUT' });
    }
  });

  it('ask no capability that is not needed: one condition is no and', () => {
    const read = createFilterReader(catalogue);
    const limits = { filterDepth: 8, filterValues: 10 };
    expect(read({ brand: { eq: 'x' } }, limits)).toEqual({ kind: 'eq', field: 'brand', value: 'x' });
    expect(read({}, limits)).toBeUndefined();
    expect(read(null, limits)).toBeUndefined();
  });
});
