import { getComplexity, fieldExtensionsEstimator, simpleEstimator } from 'graphql-query-complexity';
import { getIntrospectionQuery, parse } from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { createLoaders } from '../loaders/index.js';
import { createImageReader } from '../src/embedding/image/source.js';
import { KindredError } from '../src/errors.js';
import type { ModelRegistry } from '../src/models/model-version.js';
import { type RequestModels, modelsOf } from '../src/rollout/traffic.js';
import { noTelemetry } from '../src/telemetry.js';
import { type Harness, createHarness, faultOf, makeItems } from './schema-harness.js';

/** A registry as a request has it that always gets the stable version. */
function always(registry: ModelRegistry): RequestModels {
  return modelsOf(registry, () => ({ version: 'stable', named: false }));
}

let harness: Harness;
beforeAll(async () => {
  harness = await createHarness();
});

describe('product', () => {
  it('answers every field by its type, and null for what is missing', async () => {
    const [item] = makeItems(1);
    const bare = { id: 'bare', fields: { title: 'bare' } };
    const own = await createHarness({ items: [item!, bare] });
    const fields = 'id title brand price stock tags released inStock extra';
    const { data, errors } = await own.run(
      `{ full: product(id: "p000") { ${fields} } bare: product(id: "bare") { ${fields} } }`,
    );
    expect(errors).toBeUndefined();
    expect(data?.full).toEqual({ id: 'p000', ...item!.fields });
    expect(data?.bare).toEqual({
      id: 'bare',
      title: 'bare',
      brand: null,
      price: null,
      stock: null,
      tags: null,
      released: null,
      inStock: null,
      extra: null,
    });
    expect(own.count('fetch')).toBe(1);
  });

  it('answers whole numbers beyond 32 bits', async () => {
    const { data } = await harness.run('{ product(id: "p029") { stock } }');
    expect(data?.product).toEqual({ stock: 29 * 2 ** 33 });
  });

  it('V5: answers null for an id of no item', async () => {
    const { data, errors } = await harness.run('{ product(id: "nowhere") { id } }');
    expect(errors).toBeUndefined();
    expect(data).toEqual({ product: null });
  });

  it('is answered by any version that serves when the stable one can not', async () => {
    const context = harness.makeContext();
    const { registry } = harness;
    const down: ModelRegistry = {
      ...registry,
      resolve: () => {
        throw new KindredError('MODEL_VERSION_UNAVAILABLE', 'v2 can not answer now');
      },
    };
    const { signal, deadline } = context;
    const images = createImageReader({ limits: harness.config.images });
    const { capabilities } = harness.store;
    const settings = { images, telemetry: noTelemetry(), capabilities, signal, deadline };
    const loaders = createLoaders({ models: always(down), ...settings });
    const { data } = await harness.run('{ product(id: "p001") { id } }', {}, { ...context, loaders });
    expect(data).toEqual({ product: { id: 'p001' } });
    const none = createLoaders({ models: always({ ...down, served: () => [] }), ...settings });
    const failed = await harness.run('{ product(id: "p001") { id } }', {}, { ...context, loaders: none });
    expect(faultOf(failed)).toMatchObject({ code: 'MODEL_VERSION_UNAVAILABLE' });
  });
});

describe('embed', () => {
  const EMBED = `query ($inputs: [EmbedInput!]!, $purpose: EmbedPurpose! = QUERY, $version: ID) {
    embed(inputs: $inputs, purpose: $purpose, modelVersion: $version) {
      __typename
      ... on Embedding { vector base64 dimension tokens truncated modelVersion { id } }
      ... on EmbedFailure { code reason message index }
    }
  }`;
  interface Result {
    __typename: string;
    vector: number[];
    base64: string;
  }

  it('answers vector and base64 of the same numbers, with the version that made them', async () => {
    const { data, errors } = await harness.run(EMBED, { inputs: [{ text: 'a lamp' }], version: 'v1' });
    expect(errors).toBeUndefined();
    const [result] = data?.embed as Result[];
    expect(result).toMatchObject({
      __typename: 'Embedding',
      dimension: 8,
      tokens: 2,
      truncated: false,
      modelVersion: { id: 'v1' },
    });
    const bytes = Buffer.from(result!.base64, 'base64');
    expect(result!.vector).toEqual(Array.from({ length: 8 }, (_, index) => bytes.readFloatLE(index * 4)));
  });

  it('answers the failure of one input as data in its place, and embeds the others in one call', async () => {
    const own = await createHarness();
    const { data, errors } = await own.run(EMBED, { inputs: [{ text: 'a' }, { text: ' ' }, { text: 'b' }] });
    expect(errors).toBeUndefined();
    expect((data?.embed as Result[]).map(({ __typename }) => __typename)).toEqual([
      'Embedding',
      'EmbedFailure',
      'Embedding',
    ]);
    expect((data?.embed as Result[])[1]).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'EMPTY', index: 1 });
    expect(own.embedders.v2.calls).toHaveLength(1);
  });

  it('embeds identical texts of a request once', async () => {
    const own = await createHarness();
    await own.run(EMBED, { inputs: [{ text: 'same' }, { text: 'same' }] });
    expect(own.embedders.v2.calls.map(({ texts }) => texts)).toEqual([['same']]);
  });

  it('embeds for the purpose that is asked for', async () => {
    const own = await createHarness();
    await own.run(EMBED, { inputs: [{ text: 'a' }], purpose: 'DOCUMENT' });
    await own.run(EMBED, { inputs: [{ text: 'a' }] });
    expect(own.embedders.v2.calls.map(({ options }) => options.purpose)).toEqual(['document', 'query']);
  });

  it('fails as a whole when the whole call fails', async () => {
    const own = await createHarness();
    own.embedders.v2.embed = () => Promise.reject(new KindredError('OVERLOADED', 'too much to do'));
    const context = own.makeContext();
    const registry: ModelRegistry = {
      ...own.registry,
      resolve: () => ({ ...own.registry.resolve('v2'), embedder: own.embedders.v2 }),
    };
    const result = await own.run(
      EMBED,
      { inputs: [{ text: 'a' }] },
      { ...context, models: always(registry) },
    );
    expect(result.data).toEqual({ embed: null });
    expect(faultOf(result)).toMatchObject({ code: 'OVERLOADED' });
  });

  it('answers nothing for nothing, and refuses more inputs than its limit', async () => {
    expect((await harness.run(EMBED, { inputs: [] })).data).toEqual({ embed: [] });
    const many = await harness.run(EMBED, { inputs: new Array(65).fill({ text: 'a' }) });
    expect(faultOf(many)).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'TOO_MANY_INPUTS' });
  });

  it('V6: refuses a version that is not there', async () => {
    const result = await harness.run(EMBED, { inputs: [{ text: 'a' }], version: 'v9' });
    expect(faultOf(result)).toMatchObject({ code: 'MODEL_VERSION_NOT_FOUND' });
  });
});

describe('models', () => {
  it('answers all versions in the order of the config', async () => {
    const { data } = await harness.run(
      '{ models { id name dimension maxTokens role traffic health sunsetAt } }',
    );
    const rest = { maxTokens: 32, health: 'READY', sunsetAt: null };
    expect(data?.models).toEqual([
      { id: 'v1', name: 'Fake v1', dimension: 8, role: 'IDLE', traffic: 0, ...rest },
      { id: 'v2', name: 'Fake v2', dimension: 16, role: 'STABLE', traffic: 1, ...rest },
    ]);
  });
});

describe('costs', () => {
  const cost = (query: string, variables: Record<string, unknown> = {}): number =>
    getComplexity({
      schema: harness.schema,
      query: parse(query),
      variables,
      estimators: [fieldExtensionsEstimator(), simpleEstimator({ defaultComplexity: 1 })],
    });

  it('G6: grow with the product of nested page sizes, by argument and by variable', () => {
    const nested =
      'query ($n: Int!) { search(query: "a", first: $n) { nodes { similar(first: $n) { nodes { id } } } } }';
    expect(cost(nested, { n: 10 })).toBe(10 + 10 * (1 + 10 + 10 * 2));
    expect(cost(nested, { n: 100 })).toBeGreaterThan(harness.config.limits.cost);
    expect(cost('{ search(query: "a", first: 1000000000) { nodes { id } } }')).toBeGreaterThan(1e9);
  });

  it('never fall below the base price for page sizes that are refused later', () => {
    expect(cost('{ search(query: "a", first: -5) { nodes { id } } }')).toBe(12);
  });

  it('leave room for a full page with every field', () => {
    const fields = 'id title brand price stock tags released inStock extra';
    const page = `edges { cursor score node { ${fields} } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } modelVersion { id name } took { embed search total }`;
    expect(cost(`{ search(query: "a", first: 100) { ${page} } }`)).toBeLessThan(harness.config.limits.cost);
  });

  it('count examples, inputs and representations', () => {
    const recommend = 'query ($like: [ExampleInput!]!) { recommend(like: $like, first: 1) { nodes { id } } }';
    expect(cost(recommend, { like: [{ id: 'a' }, { id: 'b' }] })).toBe(10 + 2 + 20);
    const embed = 'query ($in: [EmbedInput!]!) { embed(inputs: $in) { ... on Embedding { base64 } } }';
    expect(cost(embed, { in: new Array(64).fill({ text: 'a' }) })).toBe(64 * 11);
    const entities =
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Product { id title } } }';
    expect(cost(entities, { r: new Array(50).fill({}) })).toBe(50 * 3);
  });

  it('leave introspection cheap', () => {
    expect(cost(getIntrospectionQuery())).toBeLessThan(500);
  });
});
