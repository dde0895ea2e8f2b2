import fc from 'fast-check';
import type { ExecutionResult } from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { KindredError } from '../src/errors.js';
import type { ModelRegistry } from '../src/models/model-version.js';
import { modelsOf } from '../src/rollout/traffic.js';
import { createPaging } from '../src/search/paging.js';
import { createSearch } from '../src/search/search.js';
import type { Filter } from '../src/vectors/filter.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import type { VectorStore } from '../src/vectors/store.js';
import { canonicalFilter, fingerprint } from '../src/search/fingerprint.js';
import { type Harness, SECRET, createHarness, faultOf, makeItems } from './schema-harness.js';

/** A store that misses some of what is near, and not the same when it is asked for more. */
function approximate(store: VectorStore): VectorStore {
  return {
    ...store,
    open: async (spec) => {
      const collection = await store.open(spec);
      return {
        ...collection,
        search: async (queries, options) => {
          const found = await collection.search(queries, { ...options, limit: options.limit + 40 });
          const missed = (at: number): boolean => (at + options.limit) % 7 === 0;
          return found.map((hits) => hits.filter((_, at) => !missed(at)).slice(0, options.limit));
        },
      };
    },
  };
}

interface Page {
  edges: { cursor: string; score: number; node: { id: string } | null }[];
  nodes: ({ id: string } | null)[];
  pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    startCursor: string | null;
    endCursor: string | null;
  };
  modelVersion: { id: string };
  took: { embed: number; search: number; total: number };
}

const SEARCH = `query ($query: String!, $first: Int! = 10, $after: String, $filter: ProductFilter, $version: ID) {
  search(query: $query, first: $first, after: $after, filter: $filter, modelVersion: $version) {
    edges { cursor score node { id } }
    nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    modelVersion { id }
    took { embed search total }
  }
}`;

function page(result: ExecutionResult): Page {
  expect(result.errors).toBeUndefined();
  return result.data?.search as Page;
}

const ids = ({ edges }: Page): (string | undefined)[] => edges.map(({ node }) => node?.id);

describe('search', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await createHarness({ items: makeItems(120) });
  });

  it('finds the item whose text was asked for, with its score and the version that answered', async () => {
    const found = page(await harness.run(SEARCH, { query: 'thing 42 kind0' }));
    expect(found.edges[0]).toMatchObject({ node: { id: 'p042' } });
    expect(found.edges[0]!.score).toBeCloseTo(1, 5);
    expect(found.modelVersion.id).toBe('v2');
    expect(found.nodes.map((node) => node?.id)).toEqual(ids(found));
  });

  it('pages through all results without repeat or gap, whatever the page sizes', async () => {
    const all = ids(page(await harness.run(SEARCH, { query: 'thing kind3', first: 100 })));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        async (sizes) => {
          const seen: (string | undefined)[] = [];
          let after: string | null = null;
          for (let turn = 0; seen.length < 100; turn++) {
            const first = Math.min(sizes[turn % sizes.length]!, 100 - seen.length);
            const next: Page = page(await harness.run(SEARCH, { query: 'thing kind3', first, after }));
            expect(next.pageInfo.hasPreviousPage).toBe(seen.length > 0);
            expect(next.pageInfo.startCursor).toBe(next.edges[0]?.cursor);
            seen.push(...ids(next));
            after = next.pageInfo.endCursor;
          }
          expect(seen).toEqual(all);
        },
      ),
      { numRuns: 10 },
    );
    expect(new Set(all).size).toBe(100);
  });

  it('says that nothing follows on the last page, and answers an empty page behind it', async () => {
    const small = await createHarness({ items: makeItems(3) });
    const only = page(await small.run(SEARCH, { query: 'thing', first: 3 }));
    expect(only.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false });
    const empty = page(await small.run(SEARCH, { query: 'thing', after: only.pageInfo.endCursor }));
    expect(empty.edges).toEqual([]);
    expect(empty.pageInfo).toEqual({
      hasNextPage: false,
      hasPreviousPage: true,
      startCursor: null,
      endCursor: null,
    });
  });

  it('fetches one window for all pages of a query, with its timings on the first alone', async () => {
    const own = await createHarness();
    const first = page(await own.run(SEARCH, { query: 'thing', first: 5 }));
    const second = page(await own.run(SEARCH, { query: 'thing', first: 5, after: first.pageInfo.endCursor }));
    expect(own.count('search')).toBe(1);
    expect(own.calls.find(({ method }) => method === 'search')?.args[1]).toMatchObject({ limit: 12 });
    expect(first.took.embed).toBeGreaterThan(0);
    expect(second.took).toMatchObject({ embed: 0, search: 0 });
  });

  it('asks for longer windows once somebody goes on, and keeps what the pages before had', async () => {
    const own = await createHarness({ items: makeItems(120) });
    const all = ids(page(await own.run(SEARCH, { query: 'thing', first: 100 })));
    const other = await createHarness({ items: makeItems(120) });
    const seen: (string | undefined)[] = [];
    const limits: unknown[] = [];
    let after: string | null = null;
    for (let turn = 0; turn < 5; turn += 1) {
      const next: Page = page(await other.run(SEARCH, { query: 'thing', first: 20, after }));
      seen.push(...ids(next));
      after = next.pageInfo.endCursor;
      const searches = other.calls.filter(({ method }) => method === 'search');
      limits.push(searches.map(({ args }) => (args[1] as { limit: number }).limit));
    }
    expect(seen).toEqual(all);
    expect(limits).toEqual([[24], [24, 96], [24, 96], [24, 96], [24, 96, 200]]);
  });

  it('goes on from the windows of the pages before, also on another server and by pages of another size', async () => {
    const harness = (): Promise<Harness> =>
      createHarness({ items: makeItems(150), store: approximate(createMemoryStore()) });
    const first = page(await (await harness()).run(SEARCH, { query: 'thing', first: 10 }));
    const expected: (string | undefined)[] = [...ids(first)];
    const seen: (string | undefined)[] = [...ids(first)];
    const one = await harness();
    let [near, far] = [first.pageInfo.endCursor, first.pageInfo.endCursor];
    for (const size of [5, 30, 5, 40, 10]) {
      const next: Page = page(await one.run(SEARCH, { query: 'thing', first: size, after: near }));
      expected.push(...ids(next));
      near = next.pageInfo.endCursor;
      const other: Page = page(
        await (await harness()).run(SEARCH, { query: 'thing', first: size, after: far }),
      );
      seen.push(...ids(other));
      far = other.pageInfo.endCursor;
    }
    expect(seen).toHaveLength(100);
    expect(seen).toEqual(expected);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('merges the searches of one request with the same filter into one embedding call and one store call', async () => {
    const own = await createHarness();
    const aliases = Array.from(
      { length: 8 },
      (_, index) => `s${index}: search(query: "thing ${index}") { nodes { title } }`,
    );
    const { errors } = await own.run(`{ ${aliases.join('\n')} }`);
    expect(errors).toBeUndefined();
    expect(own.embedders.v2.calls.map(({ texts }) => texts.length)).toEqual([8]);
    expect(own.count('search')).toBe(1);
    expect(own.count('fetch')).toBe(1);
  });

  it('asks nothing of the store for items that nobody selected', async () => {
    const own = await createHarness();
    await own.run('{ search(query: "thing") { edges { score } } }');
    expect(own.count('fetch')).toBe(0);
  });

  it('hands deadline and signal of the request down to the embedder', async () => {
    const own = await createHarness();
    const context = own.makeContext();
    await own.run(SEARCH, { query: 'thing' }, context);
    const options = own.embedders.v2.calls[0]?.options;
    expect(options).toMatchObject({ purpose: 'query', deadline: context.deadline });
    expect(options?.signal).toBe(context.signal);
  });

  it('answers null for an item that was deleted between search and fetch, and keeps the others', async () => {
    const own = await createHarness();
    const before = page(await own.run(SEARCH, { query: 'thing' }));
    const gone = ids(before)[2]!;
    await own.registry.resolve('v2').collection.delete([gone]);
    const after = page(await own.run(SEARCH, { query: 'thing' }));
    expect(after.edges[2]?.node).toBeNull();
    expect(after.nodes[2]).toBeNull();
    expect(ids(after).filter((id) => id !== undefined)).toEqual(ids(before).filter((id) => id !== gone));
  });

  it('orders equal scores by id', async () => {
    const twins = makeItems(12).map((item) => ({ ...item, fields: { ...item.fields, title: 'same text' } }));
    const own = await createHarness({ items: [...twins].reverse() });
    const found = ids(page(await own.run(SEARCH, { query: 'other text', first: 12 })));
    expect(found).toEqual(twins.map(({ id }) => id));
  });

  it('asks each version in vectors of its own, and V6: never another one than asked for', async () => {
    for (const version of ['v1', 'v2', 'stable']) {
      const found = page(await harness.run(SEARCH, { query: 'thing 7 kind0', version }));
      expect(found.modelVersion.id).toBe(version === 'stable' ? 'v2' : version);
    }
    for (const version of ['v3', '', 'V1', 'candidate', '__proto__']) {
      const result = await harness.run(SEARCH, { query: 'thing', version });
      expect(result.data).toEqual({ search: null });
      expect(faultOf(result)).toMatchObject({ code: 'MODEL_VERSION_NOT_FOUND' });
    }
  });

  it.each([0, -1, 101, 2 ** 31 - 1])(
    'G6: first %i is BAD_USER_INPUT with the reason PAGE_SIZE',
    async (first) => {
      const result = await harness.run(SEARCH, { query: 'thing', first });
      expect(faultOf(result)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'PAGE_SIZE' });
    },
  );

  it('is by meaning when no mode is named, and a cursor fits both ways of asking', async () => {
    const first = page(await harness.run(SEARCH, { query: 'thing', first: 5 }));
    const result = await harness.run(
      `query ($after: String) { search(query: "thing", mode: SEMANTIC, after: $after) { edges { node { id } } } }`,
      { after: first.pageInfo.endCursor },
    );
    const all = ids(page(await harness.run(SEARCH, { query: 'thing', first: 15 })));
    expect(ids(page(result))).toEqual(all.slice(5));
  });

  it.each(['FUZZY', 'semantic', null])(
    'G8: the mode %s is refused while variables are read',
    async (mode) => {
      const result = await harness.run(
        'query ($mode: SearchMode!) { search(query: "thing", mode: $mode) { nodes { id } } }',
        { mode },
      );
      expect(result.data).toBeUndefined();
      expect(result.errors).not.toHaveLength(0);
    },
  );

  it('refuses an empty text before anything is embedded', async () => {
    const own = await createHarness();
    const result = await own.run(SEARCH, { query: ' \u200b' });
    expect(faultOf(result)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'EMPTY' });
    expect(own.embedders.v2.calls).toEqual([]);
  });

  it('answers the error of a text that can not be embedded, and spares the other fields', async () => {
    const own = await createHarness({
      failing: (text) =>
        text === 'bad' ? new KindredError('BAD_USER_INPUT', 'no', { reason: 'BAD_TEXT' }) : undefined,
    });
    const result = await own.run(
      '{ bad: search(query: "bad") { nodes { id } } good: search(query: "thing") { nodes { id } } }',
    );
    expect(faultOf(result)).toMatchObject({ reason: 'BAD_TEXT' });
    expect(result.data?.bad).toBeNull();
    expect(result.data?.good).toMatchObject({ nodes: { length: 10 } });
  });

  it('is cancelled with its request', async () => {
    const client = new AbortController();
    client.abort(new KindredError('DEADLINE_EXCEEDED', 'too late'));
    const own = await createHarness();
    const result = await own.run(SEARCH, { query: 'thing' }, own.makeContext(client.signal));
    expect(faultOf(result)).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(own.embedders.v2.calls).toEqual([]);
    expect(own.calls).toEqual([]);
  });
});

describe('cursors of a search', () => {
  let harness: Harness;
  let after: string;
  beforeAll(async () => {
    harness = await createHarness();
    const found = page(
      await harness.run(SEARCH, { query: 'thing', filter: { brand: { eq: 'Even' } }, version: 'v1' }),
    );
    after = found.pageInfo.endCursor!;
  });

  const refused: [string, Record<string, unknown>][] = [
    ["another query's", { query: 'other' }],
    ["another filter's", { filter: { brand: { eq: 'Odd' } } }],
    ["a query's without a filter", { filter: null }],
    ["another version's", { version: 'v2' }],
  ];
  it.each(refused)(
    'C1: %s cursor is BAD_CURSOR before any store or embedding call',
    async (_name, change) => {
      const calls = harness.calls.length;
      const embedded = harness.embedders.v1.calls.length + harness.embedders.v2.calls.length;
      const variables = {
        query: 'thing',
        filter: { brand: { eq: 'Even' } },
        version: 'v1',
        after,
        ...change,
      };
      expect(faultOf(await harness.run(SEARCH, variables))).toMatchObject({
        code: 'BAD_USER_INPUT',
        reason: 'BAD_CURSOR',
      });
      expect(harness.calls).toHaveLength(calls);
      expect(harness.embedders.v1.calls.length + harness.embedders.v2.calls.length).toBe(embedded);
    },
  );

  it('C1: the cursor of a version whose files have changed, or which is gone, is BAD_CURSOR', async () => {
    const { registry, config } = harness;
    const changed: ModelRegistry = {
      ...registry,
      resolve: (reference) => {
        const model = registry.resolve(reference);
        return { ...model, version: { ...model.version, digest: 'f'.repeat(64) } };
      },
    };
    const gone: ModelRegistry = {
      ...registry,
      versions: () => registry.versions().filter(({ id }) => id !== 'v1'),
    };
    for (const other of [changed, gone]) {
      const paging = createPaging({ config, cursorSecret: SECRET });
      const given = harness.makeContext();
      const context = {
        ...given,
        loaders: { ...given.loaders, models: modelsOf(other, () => ({ version: 'stable', named: false })) },
        search: createSearch({ paging, limits: config.limits, fusion: config.search.fusion }),
      };
      const variables = { query: 'thing', filter: { brand: { eq: 'Even' } }, after };
      expect(faultOf(await harness.run(SEARCH, variables, context))).toMatchObject({ reason: 'BAD_CURSOR' });
    }
  });

  it('C1: a changed cursor is BAD_CURSOR', async () => {
    const changed = `${after.startsWith('A') ? 'B' : 'A'}${after.slice(1)}`;
    const result = await harness.run(SEARCH, { query: 'thing', after: changed });
    expect(faultOf(result)).toMatchObject({ reason: 'BAD_CURSOR' });
  });

  it('name the version that goes on answering when none is asked for', async () => {
    const next = page(
      await harness.run(SEARCH, { query: 'thing', filter: { brand: { eq: 'Even' } }, after }),
    );
    expect(next.modelVersion.id).toBe('v1');
    expect(next.edges.length).toBeGreaterThan(0);
  });

  it('fit the same filter written in another order', async () => {
    const filter = { or: [{ brand: { in: ['Even', 'Odd'] } }, { inStock: { eq: true } }] };
    const turned = { or: [{ inStock: { eq: true } }, { brand: { in: ['Odd', 'Even'] } }] };
    const first = page(await harness.run(SEARCH, { query: 'thing', filter, first: 5 }));
    const next = page(
      await harness.run(SEARCH, { query: 'thing', filter: turned, after: first.pageInfo.endCursor }),
    );
    expect(next.pageInfo.hasPreviousPage).toBe(true);
  });
});

describe('fingerprints', () => {
  it('differ for other parts, also when their texts joined are the same', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), (a, b) => {
        const same = a.length === b.length && a.every((part, index) => part === b[index]);
        expect(fingerprint(...a) === fingerprint(...b)).toBe(same);
      }),
    );
    expect(fingerprint('ab', 'c')).not.toBe(fingerprint('a', 'bc'));
    expect(fingerprint(Float32Array.of(1))).not.toBe(
      fingerprint(Buffer.from(Float32Array.of(1).buffer).toString()),
    );
  });

  it('see the order of operands in no filter', () => {
    const leaf = fc.oneof(
      fc.record({
        kind: fc.constant('eq' as const),
        field: fc.string(),
        value: fc.oneof(fc.string(), fc.integer()),
      }),
      fc.record({ kind: fc.constant('exists' as const), field: fc.string() }),
      fc.record({ kind: fc.constant('range' as const), field: fc.string(), gt: fc.integer() }),
    );
    fc.assert(
      fc.property(
        fc.array(leaf, { minLength: 1 }),
        fc.constantFrom('and' as const, 'or' as const),
        (filters, kind) => {
          const turned: Filter = { kind, filters: [...filters].reverse() };
          expect(canonicalFilter(turned)).toBe(canonicalFilter({ kind, filters }));
          expect(canonicalFilter({ kind: 'not', filter: turned })).not.toBe(canonicalFilter(turned));
        },
      ),
    );
  });
});
