import { beforeEach, describe, expect, it } from 'vitest';
import type { SearchOptions } from '../src/vectors/store.js';
import { type Harness, createHarness } from './schema-harness.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});

/** Runs a query and answers what the store was asked for: whether searches brought items along, and how often items were fetched. */
async function asked(query: string): Promise<{ items: unknown[]; fetches: number }> {
  const { errors } = await harness.run(query);
  expect(errors).toBeUndefined();
  const searches = harness.calls.filter(({ method }) => method === 'search');
  return {
    items: searches.map(({ args }) => (args[1] as SearchOptions).items),
    fetches: harness.count('fetch'),
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
      items: [false, false],
      fetches: 0,
    });
  });

  it.each([
    ['nodes', '{ nodes { id title } }'],
    ['edges', '{ edges { node { price } } nodes { id } }'],
    ['a fragment', '{ ...Page nodes { id } }'],
    ['the second of two selections of one field', '{ nodes { id } nodes { brand } }'],
    ['a field that a directive may leave out', '{ nodes { id title @skip(if: true) } }'],
  ])('asks the store for items when another field is in %s', async (_where, selection) => {
    const fragment = selection.includes('...Page')
      ? 'fragment Page on ProductConnection { edges { node { ...More } } } fragment More on Product { title }'
      : '';
    const { items, fetches } = await asked(`{ search(query: "thing 3", first: 2) ${selection} } ${fragment}`);
    expect(items).toEqual([true]);
    expect(fetches).toBeGreaterThan(0);
  });

  it('tells the pages of one operation apart', async () => {
    const { items } = await asked(
      '{ a: search(query: "thing 3") { nodes { id } } b: search(query: "thing 4") { nodes { title } } }',
    );
    expect(items.sort()).toEqual([false, true]);
  });

  it('holds for recommend and for similar', async () => {
    const keys = await asked(
      '{ recommend(like: [{ id: "p001" }], first: 1) { nodes { id similar(first: 1) { edges { score } } } } }',
    );
    expect(keys).toEqual({ items: [false, false], fetches: 0 });
    const { data } = await harness.run(
      '{ recommend(like: [{ id: "p002" }], first: 1) { nodes { id similar(first: 1) { nodes { id title } } } } }',
    );
    const [node] = (data?.recommend as { nodes: { similar: { nodes: { title: string }[] } }[] }).nodes;
    expect(node?.similar.nodes[0]?.title).toMatch(/^thing /);
    expect(harness.count('fetch')).toBe(1);
  });

  it('asks whether older hits are still there', async () => {
    const query = '{ search(query: "thing 3", first: 2) { nodes { id } } }';
    expect(await asked(query)).toEqual({ items: [false], fetches: 0 });
    expect(await asked(query)).toEqual({ items: [false], fetches: 1 });
  });
});
