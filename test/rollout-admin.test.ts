import { type GraphQLField, type GraphQLSchema, graphql } from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RequestContext } from '../resolvers/context.js';
import { createSchema } from '../schema/index.js';
import { catalogue as sample, createHarness, faultOf } from './schema-harness.js';
import { type RolloutHarness, createRolloutHarness } from './rollout-harness.js';

/** Values for the arguments that a mutation can't do without. */
const VALUES: Readonly<Record<string, string>> = {
  id: '"v2"',
  share: '0.1',
  pairs: '[{ query: "thing", id: "p0001" }]',
};

let schema: GraphQLSchema;
let rollout: RolloutHarness;
let context: RequestContext;
beforeAll(async () => {
  schema = await createSchema({ catalogue: sample });
  context = (await createHarness()).makeContext();
});

/** The call of a field with all the arguments that it needs. */
function callOf({ name, args, type }: GraphQLField<unknown, unknown>): string {
  const needed = args
    .filter(({ name: arg }) => arg in VALUES)
    .map(({ name: arg }) => `${arg}: ${VALUES[arg] ?? ''}`);
  const selection = String(type).includes('ModelEvent') ? '{ who }' : '{ id }';
  return `${name}${needed.length > 0 ? `(${needed.join()})` : ''} ${selection}`;
}

describe('what changes model versions', () => {
  it('A2: is refused to all but the admin, field by field, by alias and fragment, and nothing has changed', async () => {
    rollout = await createRolloutHarness();
    const calls = [
      ...Object.values(schema.getMutationType()!.getFields()).map((field) => ({
        kind: 'mutation',
        on: 'Mutation',
        call: callOf(field),
      })),
      { kind: 'query', on: 'Query', call: callOf(schema.getQueryType()!.getFields().modelHistory!) },
    ];
    expect(calls.length).toBeGreaterThan(9);
    for (const { kind, on, call } of calls) {
      for (const admin of ['none', 'refused'] as const) {
        for (const source of [
          `${kind} { ${call} }`,
          `${kind} { other: ${call} }`,
          `${kind} { ...All } fragment All on ${on} { ${call} }`,
        ]) {
          const result = await graphql({
            schema,
            source,
            contextValue: { ...context, ...rollout, admin },
          });
          expect(faultOf(result), source).toMatchObject({ code: 'UNAUTHENTICATED' });
        }
      }
    }
    expect(rollout.rollout.replica.state).toMatchObject({ revision: 0, history: [] });
  });

  it('is not in the schema at all where no admin token is configured', async () => {
    const without = await createSchema({ catalogue: sample, admin: false });
    expect(without.getMutationType()).toBeUndefined();
    expect(without.getQueryType()?.getFields().modelHistory).toBeUndefined();
  });

  it('does for the admin what its name says, and says which step is not allowed', async () => {
    rollout = await createRolloutHarness();
    const { jobs, signal, state } = rollout;
    await jobs.backfill('v2', { actor: { who: 'a test', why: '' }, signal });
    const started: string[] = [];
    const contextValue = {
      ...context,
      ...rollout,
      models: { ...context.models, versions: () => rollout.registry.versions() },
      background: { start: (kind: string, id: string) => started.push(`${kind} ${id}`) },
      admin: 'granted',
    };
    const run = (source: string): ReturnType<typeof graphql> => graphql({ schema, source, contextValue });
    const force = 'force: true, reason: "a test"';
    expect(faultOf(await run('mutation { promoteModel(id: "v2") { id } }'))).toMatchObject({
      reason: 'TRANSITION',
    });
    expect((await run('mutation { shadowModel(id: "v2") { id state } }')).data).toEqual({
      shadowModel: { id: 'v2', state: 'SHADOW' },
    });
    expect(
      (await run(`mutation { setModelTraffic(id: "v2", share: 0.25, ${force}) { state traffic } }`)).data,
    ).toEqual({
      setModelTraffic: { state: 'CANARY', traffic: 0.25 },
    });
    expect((await run('mutation { rollbackModel(reason: "no") { id state } }')).data).toEqual({
      rollbackModel: [
        { id: 'v1', state: 'STABLE' },
        { id: 'v2', state: 'SHADOW' },
      ],
    });
    await run(`mutation { promoteModel(id: "v2", ${force}) { id } }`);
    expect((await run('mutation { retireModel(id: "v1") { id } }')).data).toEqual({
      retireModel: [{ id: 'v2' }],
    });
    await run('mutation { backfillModel(id: "v3") { id } verifyModel(id: "v3") { id } }');
    await run('mutation { gateModel(id: "v3", pairs: [{ query: "thing", id: "p0001" }]) { id } }');
    await run('mutation { upgradeModel(id: "v3", pairs: [{ query: "thing", id: "p0001" }]) { id } }');
    expect(started).toEqual(['backfill v3', 'verify v3', 'gate v3', 'upgrade v3']);
    expect(state('v3').state).toBe('added');
    const { data } = await run('{ modelHistory(first: 2) { who action version why share from to } }');
    expect(data?.modelHistory).toMatchObject([
      { who: 'admin', action: 'add', version: 'v3', from: null, to: 'ADDED' },
      { who: 'admin', action: 'retire', version: 'v1', from: 'RETIRING', to: 'GONE' },
    ]);
    expect(faultOf(await run('{ modelHistory(first: 0) { who } }'))).toMatchObject({ reason: 'PAGE_SIZE' });
    expect(faultOf(await run('mutation { gateModel(id: "v3", pairs: []) { id } }'))).toMatchObject({
      reason: 'EMPTY',
    });
  });
});
