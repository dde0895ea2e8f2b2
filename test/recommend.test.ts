import type { ExecutionResult } from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { vectorToBase64 } from '../src/embedding/base64.js';
import { dot } from '../src/vectors/unit-vectors.js';
import { type Harness, createHarness, faultOf, makeItems } from './schema-harness.js';

const RECOMMEND = `query (
  $like: [ExampleInput!]! = [], $dislike: [ExampleInput!]! = [], $strategy: RecommendStrategy! = AVERAGE_VECTOR,
  $diversity: Float! = 0, $first: Int! = 10, $after: String, $filter: ProductFilter, $version: ID
) {
  recommend(
    like: $like, dislike: $dislike, strategy: $strategy, diversity: $diversity, first: $first, after: $after, filter: $filter, modelVersion: $version
  ) { edges { score node { id brand } } pageInfo { endCursor hasNextPage } modelVersion { id } }
}`;

interface Page {
  edges: { score: number; node: { id: string; brand: string } }[];
  pageInfo: { endCursor: string; hasNextPage: boolean };
  modelVersion: { id: string };
}

function page(result: ExecutionResult, name = 'recommend'): Page {
  expect(result.errors).toBeUndefined();
  return result.data?.[name] as Page;
}

const ids = ({ edges }: Page): string[] => edges.map(({ node }) => node.id);
const STRATEGIES = ['AVERAGE_VECTOR', 'BEST_SCORE', 'SUM_SCORES'] as const;

describe('recommend', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await createHarness();
  });

  const vectorOf = async (id: string, version = 'v2'): Promise<Float32Array> => {
    const [vector] = await harness.registry.resolve(version).collection.vectors([id]);
    return vector!;
  };

  it('takes an item, its text and its vector as the same example', async () => {
    const vector = await vectorOf('p004');
    const byId = page(await harness.run(RECOMMEND, { like: [{ id: 'p004' }], first: 20 }));
    const byVector = page(
      await harness.run(RECOMMEND, { like: [{ vector: Array.from(vector) }], first: 21 }),
    );
    const byBase64 = page(
      await harness.run(RECOMMEND, { like: [{ vector: vectorToBase64(vector) }], first: 21 }),
    );
    const byText = page(await harness.run(RECOMMEND, { like: [{ text: 'thing 4 kind4' }], first: 21 }));
    expect(ids(byVector)).toEqual(['p004', ...ids(byId)]);
    expect(ids(byBase64)).toEqual(ids(byVector));
    expect(ids(byText)).toEqual(ids(byVector));
  });

  it('embeds example texts as documents, since they stand for items', async () => {
    const own = await createHarness();
    await own.run(RECOMMEND, { like: [{ text: 'a lamp' }], dislike: [{ text: 'a table' }] });
    expect(own.embedders.v2.calls).toHaveLength(1);
    expect(own.embedders.v2.calls[0]).toMatchObject({
      texts: ['a lamp', 'a table'],
      options: { purpose: 'document' },
    });
  });

  it.each(STRATEGIES)(
    '%s never brings liked or disliked items back, and fills the page without them',
    async (strategy) => {
      const like = ['p001', 'p002', 'p003'].map((id) => ({ id }));
      const dislike = ['p010', 'p011'].map((id) => ({ id }));
      const found = ids(page(await harness.run(RECOMMEND, { like, dislike, strategy, first: 25 })));
      expect(found).toHaveLength(25);
      expect(new Set([...found, 'p001', 'p002', 'p003', 'p010', 'p011']).size).toBe(30);
    },
  );

  it.each(STRATEGIES)('%s answers in descending order and pages without repeat', async (strategy) => {
    const variables = { like: [{ id: 'p001' }, { id: 'p006' }], dislike: [{ id: 'p010' }], strategy };
    const all = page(await harness.run(RECOMMEND, { ...variables, first: 20 }));
    const scores = all.edges.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    const first = page(await harness.run(RECOMMEND, { ...variables, first: 7 }));
    const after = first.pageInfo.endCursor;
    const second = page(await harness.run(RECOMMEND, { ...variables, first: 13, after }));
    expect([...ids(first), ...ids(second)]).toEqual(ids(all));
  });

  it.each(STRATEGIES)('%s is nothing but the nearest items for one like', async (strategy) => {
    const nearest = ids(page(await harness.run(RECOMMEND, { like: [{ id: 'p005' }] })));
    expect(ids(page(await harness.run(RECOMMEND, { like: [{ id: 'p005' }], strategy })))).toEqual(nearest);
  });

  it.each(['BEST_SCORE', 'SUM_SCORES'])('%s leads away from dislikes alone', async (strategy) => {
    const near = ids(page(await harness.run(RECOMMEND, { like: [{ id: 'p005' }], first: 29 })));
    const far = ids(page(await harness.run(RECOMMEND, { dislike: [{ id: 'p005' }], strategy, first: 29 })));
    expect(far).toEqual([...near].reverse());
  });

  it('SUM_SCORES answers the sum of similarities as score', async () => {
    const like = [{ id: 'p001' }, { id: 'p002' }];
    const [best] = page(await harness.run(RECOMMEND, { like, strategy: 'SUM_SCORES', first: 1 })).edges;
    const vectors = await Promise.all(['p001', 'p002', best!.node.id].map((id) => vectorOf(id)));
    expect(best!.score).toBeCloseTo(dot(vectors[0]!, vectors[2]!) + dot(vectors[1]!, vectors[2]!), 4);
  });

  it('filters, and asks the version that is named', async () => {
    const variables = { like: [{ id: 'p001' }], filter: { brand: { eq: 'Even' } }, version: 'v1' };
    const found = page(await harness.run(RECOMMEND, variables));
    expect(new Set(found.edges.map(({ node }) => node.brand))).toEqual(new Set(['Even']));
    expect(found.modelVersion.id).toBe('v1');
  });

  it('C1: the cursor of another strategy is BAD_CURSOR', async () => {
    const like = [{ id: 'p001' }];
    const after = page(await harness.run(RECOMMEND, { like })).pageInfo.endCursor;
    const result = await harness.run(RECOMMEND, { like, after, strategy: 'SUM_SCORES' });
    expect(faultOf(result)).toMatchObject({ reason: 'BAD_CURSOR' });
  });

  it.each([0, 15, 17])(
    'V1: a vector of %i numbers where 16 are expected is DIMENSION_MISMATCH',
    async (length) => {
      const calls = harness.calls.length;
      const result = await harness.run(RECOMMEND, { like: [{ vector: new Array<number>(length).fill(1) }] });
      expect(faultOf(result)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'DIMENSION_MISMATCH' });
      expect(result.errors?.[0]?.message).toMatch(new RegExp(`expected .*16.* got ${length}`));
      expect(harness.calls).toHaveLength(calls);
    },
  );

  it('V1, V2: vectors that are too long or not finite are refused while variables are read', async () => {
    const long = await harness.run(RECOMMEND, { like: [{ vector: new Array<number>(1_000_000).fill(1) }] });
    expect(faultOf(long)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'DIMENSION_MISMATCH' });
    const infinite = await harness.run(RECOMMEND, { like: [{ vector: [Infinity] }] });
    expect(faultOf(infinite)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'NOT_FINITE' });
  });

  it('V2: huge and denormal vectors rank like the unit vector of their direction', async () => {
    const unit = Array.from(await vectorOf('p004'));
    const expected = ids(page(await harness.run(RECOMMEND, { like: [{ vector: unit }] })));
    for (const factor of [1e37, 1e-30]) {
      const like = [{ vector: unit.map((value) => value * factor) }];
      expect(ids(page(await harness.run(RECOMMEND, { like })))).toEqual(expected);
    }
    const denormal = page(await harness.run(RECOMMEND, { like: [{ vector: unit.map(() => 1e-45) }] }));
    expect(denormal.edges.every(({ score }) => Number.isFinite(score))).toBe(true);
  });

  it('V3: the zero vector, and examples that cancel one another, are ZERO_NORM', async () => {
    const zero = await harness.run(RECOMMEND, { like: [{ vector: new Array<number>(16).fill(0) }] });
    expect(faultOf(zero)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'ZERO_NORM' });
    const ones = new Array<number>(16).fill(1);
    const opposite = [{ vector: ones }, { vector: ones.map((value) => -value) }];
    expect(faultOf(await harness.run(RECOMMEND, { like: opposite }))).toMatchObject({ reason: 'ZERO_NORM' });
  });

  it('V5: an id of no item is BAD_USER_INPUT with the reason NOT_FOUND, in words that do not tell which', async () => {
    const result = await harness.run(RECOMMEND, { like: [{ id: 'p001' }, { id: 'nowhere' }] });
    expect(faultOf(result)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'NOT_FOUND' });
    const other = await harness.run(RECOMMEND, { like: [{ id: 'elsewhere' }] });
    expect(other.errors?.[0]?.message).toBe(result.errors?.[0]?.message);
  });

  it.each([
    ['no example', {}, 'EMPTY'],
    ['only dislikes with AVERAGE_VECTOR', { dislike: [{ id: 'p001' }] }, 'EMPTY'],
    ['33 examples', { like: new Array(33).fill({ id: 'p001' }) }, 'TOO_MANY_INPUTS'],
    ['an empty text', { like: [{ text: ' ' }] }, 'EMPTY'],
  ])('refuses %s', async (_name, variables, reason) => {
    expect(faultOf(await harness.run(RECOMMEND, variables))).toMatchObject({
      code: 'BAD_USER_INPUT',
      reason,
    });
  });

  it.each([[{}], [{ id: 'p001', text: 'lamp' }], [{ id: null }], [{ image: 'x' }]])(
    'G8: the example %j is refused, since exactly one known field must be given',
    async (example) => {
      const result = await harness.run(RECOMMEND, { like: [example] });
      expect(result.data).toBeUndefined();
      expect(result.errors).not.toHaveLength(0);
    },
  );

  it('G8: an unknown strategy is refused while variables are read', async () => {
    const result = await harness.run(RECOMMEND, { like: [{ id: 'p001' }], strategy: 'BEST' });
    expect(result.data).toBeUndefined();
  });
});

describe('recommend with diversity', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await createHarness();
  });

  const like = [{ id: 'p001' }, { id: 'p006' }];
  const vectorsOf = async (found: readonly string[]): Promise<Float32Array[]> =>
    (await harness.registry.resolve('v2').collection.vectors(found)).map((vector) => vector!);

  it.each(STRATEGIES)('%s keeps its ranking at 0, and asks for no vectors for it', async (strategy) => {
    const own = await createHarness();
    const plain = page(await own.run(RECOMMEND, { like, strategy, first: 28 }));
    const zero = page(await harness.run(RECOMMEND, { like, strategy, diversity: 0, first: 28 }));
    expect(zero.edges).toEqual(plain.edges);
    // The examples', and those that BEST_SCORE itself needs.
    expect(own.count('vectors')).toBe(strategy === 'BEST_SCORE' ? 2 : 1);
  });

  it.each(STRATEGIES)(
    '%s brings the same items in another order, each with its own score',
    async (strategy) => {
      const variables = { like, dislike: [{ id: 'p010' }], strategy, first: 27 };
      const plain = page(await harness.run(RECOMMEND, variables));
      const diverse = page(await harness.run(RECOMMEND, { ...variables, diversity: 0.7 }));
      expect(ids(diverse)).not.toEqual(ids(plain));
      expect(diverse.edges[0]).toEqual(plain.edges[0]);
      expect([...diverse.edges].sort((a, b) => b.score - a.score)).toEqual(plain.edges);
    },
  );

  it('takes at 1 whatever is farthest from all before it', async () => {
    const found = ids(page(await harness.run(RECOMMEND, { like, diversity: 1, first: 28 })));
    const vectors = await vectorsOf(found);
    const nearestOf = (index: number, before: number): number =>
      Math.max(...vectors.slice(0, before).map((vector) => dot(vector, vectors[index]!)));
    for (let turn = 1; turn < found.length; turn++) {
      for (let later = turn + 1; later < found.length; later++) {
        expect(nearestOf(turn, turn)).toBeLessThanOrEqual(nearestOf(later, turn));
      }
    }
  });

  it.each(['BEST_SCORE', 'SUM_SCORES'])(
    'means the same to %s as to AVERAGE_VECTOR for one like',
    async (strategy) => {
      const variables = { like: [{ id: 'p005' }], diversity: 0.5, first: 29 };
      const average = ids(page(await harness.run(RECOMMEND, variables)));
      expect(ids(page(await harness.run(RECOMMEND, { ...variables, strategy })))).toEqual(average);
    },
  );

  it.each(STRATEGIES)('%s pages without repeat, out of one window', async (strategy) => {
    const own = await createHarness();
    const variables = { like, strategy, diversity: 0.4 };
    const first = page(await own.run(RECOMMEND, { ...variables, first: 7 }));
    const searches = own.count('search');
    const lookups = own.count('vectors');
    const after = first.pageInfo.endCursor;
    const second = page(await own.run(RECOMMEND, { ...variables, first: 21, after }));
    expect([own.count('search'), own.count('vectors')]).toEqual([searches, lookups]);
    expect([...ids(first), ...ids(second)]).toEqual(
      ids(page(await own.run(RECOMMEND, { ...variables, first: 28 }))),
    );
  });

  it("fetches the candidates' vectors in one batch", async () => {
    const own = await createHarness();
    await own.run(RECOMMEND, { like, diversity: 0.4 });
    const asked = own.calls.flatMap(({ method, args }) =>
      method === 'vectors' ? [(args[0] as string[]).length] : [],
    );
    expect(asked).toEqual([2, 28]);
  });

  it('leaves out what was deleted since it was found', async () => {
    const own = await createHarness();
    const [gone] = ids(page(await own.run(RECOMMEND, { like, first: 1 })));
    const context = own.makeContext();
    const { vectors } = context.loaders;
    const without: typeof vectors = {
      load: (model, id) => (id === gone ? Promise.resolve(null) : vectors.load(model, id)),
    };
    const deleted = { ...context, loaders: { ...context.loaders, vectors: without } };
    const found = ids(page(await own.run(RECOMMEND, { like, diversity: 0.4, first: 28 }, deleted)));
    expect(found).toHaveLength(27);
    expect(found).not.toContain(gone);
  });

  it.each([0, 0.5])('C1: the cursor of another diversity than %d is BAD_CURSOR', async (diversity) => {
    const after = page(await harness.run(RECOMMEND, { like, diversity: 0.3 })).pageInfo.endCursor;
    const result = await harness.run(RECOMMEND, { like, after, diversity });
    expect(faultOf(result)).toMatchObject({ reason: 'BAD_CURSOR' });
  });

  it.each([-0.01, 1.01, 1e300])('refuses %d before anything is asked of a store', async (diversity) => {
    const calls = harness.calls.length;
    const result = await harness.run(RECOMMEND, { like, diversity });
    expect(faultOf(result)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'OUT_OF_RANGE' });
    expect(result.errors?.[0]?.message).toMatch(/^expected diversity to be 0 to 1, but got /);
    expect(harness.calls).toHaveLength(calls);
  });

  it('refuses a literal that overflows to infinity, and NaN and null as variables', async () => {
    const literal = await harness.run(
      '{ recommend(like: [{ id: "p001" }], diversity: 1e999) { nodes { id } } }',
    );
    expect(faultOf(literal)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'OUT_OF_RANGE' });
    for (const diversity of [NaN, null]) {
      const result = await harness.run(RECOMMEND, { like, diversity });
      expect(result.data).toBeUndefined();
      expect(result.errors).not.toHaveLength(0);
    }
  });
});

describe('Product.similar', () => {
  it('asks for the neighbours of a hundred items in as few calls as the store takes', async () => {
    const harness = await createHarness({ items: makeItems(100) });
    const { errors } = await harness.run(
      '{ search(query: "thing", first: 100) { nodes { similar(first: 1) { nodes { id } } } } }',
    );
    expect(errors).toBeUndefined();
    const sizes = harness.calls.flatMap(({ method, args }) =>
      method === 'search' ? [(args[0] as unknown[]).length] : [],
    );
    const { maxQueries } = harness.store.capabilities;
    // The window, then the items'.
    expect(sizes).toEqual([1, maxQueries, 100 - maxQueries]);
  });

  it('is the recommendation by the item itself', async () => {
    const harness = await createHarness();
    const query = '{ product(id: "p004") { similar(first: 5) { edges { node { id } } } } }';
    const result = await harness.run(query);
    const { similar } = result.data?.product as { similar: Page };
    const recommended = page(await harness.run(RECOMMEND, { like: [{ id: 'p004' }], first: 5 }));
    expect(ids(similar)).toEqual(ids(recommended));
  });

  it('takes one call a hop for all items of a page', async () => {
    const harness = await createHarness();
    await harness.run(
      '{ search(query: "thing", first: 10) { nodes { title similar(first: 3) { nodes { title } } } } }',
    );
    expect(harness.count('vectors')).toBe(1);
    // The window of the search, and those of all ten similar fields.
    expect(harness.count('search')).toBe(2);
    expect(harness.count('fetch')).toBe(2);
  });
});
