import { beforeEach, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../src/vectors/memory.js';
import type { SearchOptions } from '../src/vectors/store.js';
import { type Harness, createHarness } from './schema-harness.js';

const EXTRA = ['extra', 'price', 'title'];

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});

/** Runs a query and answers what the store was asked for: the fields of items that searches were to bring along, and those of each fetch. */
async function asked(query: string): Promise<{ items: unknown[]; fetches: unknown[] }> {
  const { errors } = await harness.run(query);
  expect(errors).toBeUndefined();
  const argsOf = (name: string): (readonly unknown[])[] =>
    harness.calls.flatMap(({ method, args }) => (method === name ? [args] : []));
  return {
    items: argsOf('search').map(([, options]) => (options as SearchOptions).items),
    fetches: argsOf('fetch').map(([, projection]) => projection),
  };
}

describe('what a query selects of the items', () => {
  it.each([
    ['nothing', '{ edges { score cursor } pageInfo { hasNextPage } }'],
    ['the key of nodes', '{ nodes { id __typename } }'],
    ['the key behind edges', '{ edges { node { id } } }'],
    ['the key in fragments', '{ ...Page ... on ProductConnection { nodes { ... { id } } } }'],
  ])('asks the store for keys alone when it is %s', async (_what, selection) => {
    const fragment = selection.includes('...Page')
      ? 'fragment Page on ProductConnection { edges { node { ...Key } } } fragment Key on Product { id }'
      : '';
    const { data } = await harness.run(`{ search(query: "thing 3", first: 2) ${selection} } ${fragment}`);
    expect(data?.search).toBeTruthy();
    expect(await asked(`{ search(query: "thing 4", first: 2) ${selection} } ${fragment}`)).toEqual({
      items: [[], []],
      fetches: [],
    });
  });

  it.each([
    ['nodes', '{ nodes { id title } }', ['title']],
    ['edges', '{ edges { node { price } } nodes { id } }', ['price']],
    ['nodes and edges', '{ edges { node { title price } } nodes { brand: title extra } }', EXTRA],
    ['a fragment', '{ ...Page nodes { id } }', ['title']],
    ['the second of two selections of one field', '{ nodes { id } nodes { brand } }', ['brand']],
    ['a field that a directive may leave out', '{ nodes { id title @skip(if: true) } }', ['title']],
  ])('asks the store for those fields alone that are in %s', async (_where, selection, fields) => {
    const fragment = selection.includes('...Page')
      ? 'fragment Page on ProductConnection { edges { node { ...More } } } fragment More on Product { title }'
      : '';
    const { items, fetches } = await asked(`{ search(query: "thing 3", first: 2) ${selection} } ${fragment}`);
    expect(items).toEqual([fields]);
    expect(fetches).toEqual([fields]);
  });

  it('tells the pages of one operation apart', async () => {
    const { items } = await asked(
      '{ a: search(query: "thing 3") { nodes { id } } b: search(query: "thing 4") { nodes { title } } }',
    );
    expect(items.sort()).toEqual([[], ['title']]);
  });

  it('holds for recommend and for similar', async () => {
    const keys = await asked(
      '{ recommend(like: [{ id: "p001" }], first: 1) { nodes { id similar(first: 1) { edges { score } } } } }',
    );
    expect(keys).toEqual({ items: [[], []], fetches: [] });
    const { data } = await harness.run(
      '{ recommend(like: [{ id: "p002" }], first: 1) { nodes { id similar(first: 1) { nodes { id title } } } } }',
    );
    const [node] = (data?.recommend as { nodes: { similar: { nodes: { title: string }[] } }[] }).nodes;
    expect(node?.similar.nodes[0]?.title).toMatch(/^thing /);
    expect(harness.count('fetch')).toBe(1);
  });

  it('asks whether older hits are still there', async () => {
    const query = '{ search(query: "thing 3", first: 2) { nodes { id } } }';
    expect(await asked(query)).toEqual({ items: [[]], fetches: [] });
    expect(await asked(query)).toEqual({ items: [[]], fetches: [[]] });
  });

  it('reads of older hits what is selected now', async () => {
    await harness.run('{ search(query: "thing 3", first: 2) { nodes { title } } }');
    harness.calls.length = 0;
    expect(await asked('{ search(query: "thing 3", first: 2) { nodes { price brand } } }')).toEqual({
      items: [],
      fetches: [['brand', 'price']],
    });
  });

  it('holds for an item by its key and for the entities of another subgraph', async () => {
    expect((await asked('{ product(id: "p001") { id price ... { brand } } }')).fetches).toEqual([
      ['brand', 'price'],
    ]);
    harness.calls.length = 0;
    const representations = '[{ __typename: "Product", id: "p001" }, { __typename: "Product", id: "p002" }]';
    const query = `{ _entities(representations: ${representations}) { ... on Product { title } } }`;
    expect((await asked(query)).fetches).toEqual([['title']]);
  });

  it('reads what several places of a query select in one call', async () => {
    const query =
      '{ a: product(id: "p001") { title } b: product(id: "p002") { brand } c: product(id: "p001") { id price } d: product(id: "p003") { id } }';
    const { data } = await harness.run(query);
    expect(data).toEqual({
      a: { title: 'thing 1 kind1' },
      b: { brand: 'Even' },
      c: { id: 'p001', price: 1.5 },
      d: { id: 'p003' },
    });
    harness.calls.length = 0;
    expect((await asked(query)).fetches).toEqual([['brand', 'price', 'title']]);
    expect(harness.calls[0]?.args[0]).toEqual(['p001', 'p002', 'p003']);
  });

  it('asks a store for whole items, which are then remembered, where fewer fields save nothing', async () => {
    harness = await createHarness({ store: createMemoryStore() });
    expect(await asked('{ search(query: "thing 3", first: 2) { nodes { title } } }')).toEqual({
      items: ['all'],
      fetches: ['all'],
    });
    harness.calls.length = 0;
    expect(await asked('{ search(query: "thing 4", first: 2) { nodes { id } } }')).toEqual({
      items: [[]],
      fetches: [],
    });
  });
});
