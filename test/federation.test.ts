import { composeServices } from '@apollo/composition';
import { ApolloGateway, LocalGraphQLDataSource } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { graphql, parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RequestContext } from '../resolvers/context.js';
import { type Harness, createHarness } from './schema-harness.js';

const REVIEWS = parse(
  `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
  type Query { latestReviews: [Review!]! models: Int @deprecated }
  type Review { stars: Int! product: Product! madeBy: ModelVersion }
  type Product @key(fields: "id") { id: ID! reviews: [Review!]! }
  type ModelVersion @key(fields: "id", resolvable: false) { id: ID! }
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type ReviewPage { pageInfo: PageInfo }
  `.replace(' models: Int @deprecated', ''),
);

const REVIEWED = ['p001', 'p002', 'p001', 'gone', 'p003'];

const reviews = buildSubgraphSchema([
  {
    typeDefs: REVIEWS,
    resolvers: {
      Query: {
        latestReviews: () => REVIEWED.map((id, at) => ({ stars: at, product: { id }, madeBy: { id: 'v1' } })),
      },
      Product: {
        reviews: ({ id }: { id: string }) =>
          REVIEWED.flatMap((reviewed, at) => (reviewed === id ? [{ stars: at, product: { id } }] : [])),
      },
    },
  },
]);

describe('the subgraph', () => {
  let harness: Harness;
  let gateway: ApolloGateway;
  let server: ApolloServer<RequestContext>;

  beforeAll(async () => {
    harness = await createHarness();
    const { data } = await harness.run('{ _service { sdl } }');
    const typeDefs = parse((data?._service as { sdl: string }).sdl);
    const composed = composeServices([
      { name: 'kindred', url: 'local://kindred', typeDefs },
      { name: 'reviews', url: 'local://reviews', typeDefs: REVIEWS },
    ]);
    expect(composed.errors).toBeUndefined();
    const schemas = { kindred: harness.schema, reviews };
    gateway = new ApolloGateway({
      supergraphSdl: composed.supergraphSdl!,
      buildService: ({ name }) => new LocalGraphQLDataSource(schemas[name as keyof typeof schemas]),
    });
    server = new ApolloServer<RequestContext>({ gateway });
    await server.start();
  });
  afterAll(async () => {
    await server.stop();
  });

  const ask = async (query: string): Promise<{ data: unknown; errors: unknown }> => {
    const answer = await server.executeOperation({ query }, { contextValue: harness.makeContext() });
    if (answer.body.kind !== 'single') throw new Error('expected a single answer');
    return { data: answer.body.singleResult.data, errors: answer.body.singleResult.errors };
  };

  it('fills the entities of another subgraph through _entities in one batch of the store', async () => {
    harness.calls.length = 0;
    const { data, errors } = await ask('{ latestReviews { stars product { id title brand } } }');
    expect(errors).toBeUndefined();
    const titles = (data as { latestReviews: { product: { title: string | null } }[] }).latestReviews.map(
      ({ product }) => product.title,
    );
    expect(titles).toEqual(['thing 1 kind1', 'thing 2 kind2', 'thing 1 kind1', null, 'thing 3 kind3']);
    expect(harness.count('fetch')).toBe(1);
    expect(harness.calls.find(({ method }) => method === 'fetch')?.args[0]).toEqual([
      'p001',
      'p002',
      'gone',
      'p003',
    ]);
  });

  it('is extended by another subgraph: search results carry its fields', async () => {
    const { data, errors } = await ask(
      '{ search(query: "thing 1 kind1", first: 1) { nodes { id reviews { stars } } } }',
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({ search: { nodes: [{ id: 'p001', reviews: [{ stars: 0 }, { stars: 2 }] }] } });
  });

  it('takes filters, examples and vectors through a gateway', async () => {
    const { data, errors } = await ask(
      '{ recommend(like: [{ id: "p001" }], filter: { brand: { in: ["Even"] } }, first: 2) { nodes { brand released } } ' +
        'embed(inputs: [{ text: "a" }], modelVersion: "v1") { ... on Embedding { vector dimension } } }',
    );
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      recommend: { nodes: [{ brand: 'Even' }, { brand: 'Even' }] },
      embed: [{ dimension: 8, vector: { length: 8 } }],
    });
  });

  it('resolves model versions that another subgraph names', async () => {
    const { data, errors } = await ask('{ latestReviews { madeBy { id dimension } } }');
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({ latestReviews: { 0: { madeBy: { id: 'v1', dimension: 8 } } } });
  });

  it('enforces that an example has exactly one field, also behind a gateway that has dropped @oneOf', async () => {
    const { data, errors } = await ask('{ recommend(like: [{ id: "p001", text: "a" }]) { nodes { id } } }');
    expect(errors).toHaveLength(1);
    expect(data).toEqual({ recommend: null });
  });

  it('refuses representations without an id, and answers null for unknown ones', async () => {
    const query = 'query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }';
    const contextValue = harness.makeContext();
    const run = (r: unknown[]): ReturnType<typeof graphql> =>
      graphql({ schema: harness.schema, source: query, variableValues: { r }, contextValue });
    expect((await run([{ __typename: 'Product', id: 'gone' }])).data).toEqual({ _entities: [null] });
    expect((await run([{ __typename: 'ModelVersion', id: 'v9' }])).data).toEqual({ _entities: [null] });
    for (const id of [undefined, null, {}, ['p001']]) {
      expect((await run([{ __typename: 'Product', id }])).errors).toHaveLength(1);
    }
  });
});
