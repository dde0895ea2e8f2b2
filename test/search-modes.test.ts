import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionResult } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fuse } from '../src/search/fusion.js';
import { createLanceDbStore } from '../src/vectors/lancedb.js';
import type { VectorStore } from '../src/vectors/store.js';
import { type Harness, createHarness, faultOf, makeItems } from './schema-harness.js';

const SEARCH = `query ($query: String!, $mode: SearchMode!, $first: Int! = 100, $after: String, $filter: ProductFilter) {
  search(query: $query, mode: $mode, first: $first, after: $after, filter: $filter) {
    edges { score cursor node { id } }
    took { embed search }
  }
}`;

interface Page {
  edges: { score: number; cursor: string; node: { id: string } }[];
  took: { embed: number; search: number };
}

function page(result: ExecutionResult): Page {
  expect(result.errors).toBeUndefined();
  return result.data?.search as Page;
}

describe('search modes on a store with lexical search', () => {
  let folder: string;
  let store: VectorStore;
  let harness: Harness;
  const search = async (variables: Record<string, unknown>): Promise<Page> =>
    page(await harness.run(SEARCH, variables));
  const hitsOf = ({ edges }: Page) => edges.map(({ score, node }) => ({ id: node.id, score }));

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kindred-modes-'));
    store = createLanceDbStore({ folder, indexFromRows: 1_000_000, refineFactor: 3, refreshMs: 0 });
    harness = await createHarness({ store, items: makeItems(60) });
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('LEXICAL finds the items with the words, and asks no model', async () => {
    const embedded = harness.embedders.v2.calls.length;
    const { edges, took } = await search({ query: 'kind3', mode: 'LEXICAL' });
    expect(edges.map(({ node }) => node.id)).toEqual(
      Array.from({ length: 60 }, (_, index) => index)
        .filter((index) => index % 7 === 3)
        .map((index) => `p${String(index).padStart(3, '0')}`),
    );
    expect(harness.embedders.v2.calls).toHaveLength(embedded);
    expect(took.embed).toBe(0);
    expect(took.search).toBeGreaterThan(0);
  });

  it('LEXICAL finds nothing where no word stands, though every vector is near something', async () => {
    expect((await search({ query: 'unheard', mode: 'LEXICAL' })).edges).toEqual([]);
    expect((await search({ query: 'unheard', mode: 'SEMANTIC' })).edges).not.toEqual([]);
  });

  it('HYBRID answers both rankings, fused by reciprocal rank', async () => {
    const query = 'thing 17 kind3';
    const [semantic, lexical, hybrid] = await Promise.all(
      ['SEMANTIC', 'LEXICAL', 'HYBRID'].map(async (mode) => hitsOf(await search({ query, mode }))),
    );
    const rankings = [semantic, lexical].map((hits = []) => ({ hits, weight: 1 }));
    expect(hybrid).toEqual(fuse(rankings, 60));
    expect(hybrid?.[0]?.id).toBe('p017');
  });

  it('filters in every mode', async () => {
    const filter = { brand: { eq: 'Odd' }, stock: { lt: 20 * 2 ** 33 } };
    for (const mode of ['SEMANTIC', 'LEXICAL', 'HYBRID']) {
      const { edges } = await search({ query: 'thing', mode, filter });
      expect(edges, mode).toHaveLength(10);
    }
  });

  it('pages through a mode, and refuses the cursor of another', async () => {
    const all = (await search({ query: 'thing', mode: 'HYBRID' })).edges;
    const first = (await search({ query: 'thing', mode: 'HYBRID', first: 7 })).edges;
    const after = first.at(-1)?.cursor;
    const next = (await search({ query: 'thing', mode: 'HYBRID', first: 7, after })).edges;
    expect([...first, ...next].map(({ node }) => node.id)).toEqual(
      all.slice(0, 14).map(({ node }) => node.id),
    );
    const other = await harness.run(SEARCH, { query: 'thing', mode: 'LEXICAL', after });
    expect(faultOf(other)).toMatchObject({ reason: 'BAD_CURSOR' });
  });

  it('asks the store once for a text that stands in a request several times', async () => {
    const before = harness.count('searchText');
    const aliases = Array.from(
      { length: 5 },
      (_, at) => `s${at}: search(query: "again and again", mode: LEXICAL, first: ${at + 1}) { nodes { id } }`,
    );
    await harness.run(`{ ${aliases.join('\n')} }`);
    expect(harness.count('searchText')).toBe(before + 1);
  });

  it('are told by models', async () => {
    const { data } = await harness.run('{ models { id searchModes } }');
    expect(data).toEqual({
      models: ['v1', 'v2'].map((id) => ({ id, searchModes: ['SEMANTIC', 'LEXICAL', 'HYBRID'] })),
    });
  });
});

describe('search modes on a store without lexical search', () => {
  it.each(['LEXICAL', 'HYBRID'])(
    '%s is FEATURE_UNSUPPORTED, and asks neither model nor store',
    async (mode) => {
      const harness = await createHarness();
      const result = await harness.run(SEARCH, { query: 'thing', mode });
      expect(result.data).toEqual({ search: null });
      expect(faultOf(result)).toMatchObject({ code: 'FEATURE_UNSUPPORTED' });
      expect(result.errors?.[0]?.message).toMatch(/memory.*lancedb/);
      expect(harness.embedders.v2.calls).toEqual([]);
      expect(harness.count('search')).toBe(0);
    },
  );

  it('are told by models', async () => {
    const harness = await createHarness();
    const { data } = await harness.run('{ models { searchModes } }');
    expect(data).toEqual({ models: [{ searchModes: ['SEMANTIC'] }, { searchModes: ['SEMANTIC'] }] });
  });
});
