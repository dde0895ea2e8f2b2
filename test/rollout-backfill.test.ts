import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { KindredError } from '../src/errors.js';
import { contentHash } from '../src/catalogue/hash.js';
import { parseShard } from '../src/rollout/shard.js';
import type { Collection } from '../src/vectors/store.js';
import { createFakeEmbedder } from './fake-embedder.js';
import { actor, createRolloutHarness, makeItems } from './rollout-harness.js';

describe('a backfill', () => {
  it('embeds every item of the stable version into the new one, and proves it', async () => {
    const { jobs, collection, state, signal } = await createRolloutHarness();
    const seen: number[] = [];
    const summary = await jobs.backfill('v2', {
      actor,
      signal,
      onProgress: ({ done }) => seen.push(done),
    });
    expect(summary).toMatchObject({ done: 60, total: 60, embedded: 60, removed: 0, refused: [] });
    expect(seen.at(-1)).toBe(60);
    expect(await collection('v2').count()).toBe(60);
    expect(state('v2')).toMatchObject({ state: 'backfilling', verified: { against: 'v1', rows: 60 } });
    expect(state('v2').backfill['1/1']).toMatchObject({ done: 60, total: 60, finished: true });
    const [query] = await collection('v2').vectors(['p0007']);
    const [hits] = await collection('v2').search([query!], { limit: 1 });
    expect(hits?.[0]?.id).toBe('p0007');
  });

  it('takes up a version that only its folder knows, and says so when there is none', async () => {
    const { jobs, state, signal, rollout } = await createRolloutHarness();
    await expect(jobs.backfill('v9', { actor, signal })).rejects.toThrow('there is no bundle named v9');
    expect(rollout.replica.state.versions.v9).toBeUndefined();
    await jobs.backfill('v3', { actor, signal });
    expect(state('v3')).toMatchObject({ state: 'backfilling', verified: { rows: 60 } });
  });

  it('refuses the stable version', async () => {
    const { jobs, signal } = await createRolloutHarness();
    await expect(jobs.backfill('v1', { actor, signal })).rejects.toMatchObject({ reason: 'TRANSITION' });
  });

  it('embeds nothing again that is there, takes out what the source does not have, and mends what differs', async () => {
    const embedder = createFakeEmbedder({ id: 'v2', dimension: 16 });
    const embedded: string[] = [];
    const counting = {
      ...embedder,
      embed: ((texts, options) => {
        embedded.push(...texts);
        return embedder.embed(texts, options);
      }) as typeof embedder.embed,
    };
    const { jobs, collection, fill, signal } = await createRolloutHarness({ embedders: { v2: counting } });
    await jobs.backfill('v2', { actor, signal });
    expect(embedded).toHaveLength(60);
    embedded.length = 0;
    const changed = { id: 'p0003', fields: { title: 'another thing', price: 3 } };
    await fill('v1', [changed, { id: 'new', fields: { title: 'a new thing' } }]);
    await collection('v1').delete(['p0010']);
    const summary = await jobs.backfill('v2', { actor, signal });
    expect(summary).toMatchObject({ done: 60, embedded: 2, removed: 1 });
    expect(embedded.sort()).toEqual(['a new thing', 'another thing']);
    expect(await collection('v2').fetch(['p0003', 'p0010', 'new'])).toEqual([
      changed,
      null,
      { id: 'new', fields: { title: 'a new thing' } },
    ]);
  });

  it('is done by shards, each with its own items, and finished when all are', async () => {
    const { jobs, collection, state, signal, registry } = await createRolloutHarness();
    for (const index of [1, 2, 3]) await jobs.backfill('v2', { actor, signal, shard: { index, count: 3 } });
    expect(await collection('v2').count()).toBe(60);
    expect(Object.keys(state('v2').backfill)).toEqual(['1/3', '2/3', '3/3']);
    expect(Object.values(state('v2').backfill).reduce((sum, { done }) => sum + done, 0)).toBe(60);
    expect(state('v2').verified).toBeNull();
    expect(await jobs.verify('v2', { actor, signal })).toMatchObject({ rows: 60, equal: 60 });
    expect(state('v2').verified).toMatchObject({ against: 'v1', rows: 60 });
    expect(registry.versions()[1]?.rollout.verified).toMatchObject({ rows: 60 });
  });

  it('makes texts by the template of the version, in a collection of its own', async () => {
    const plain = await createRolloutHarness();
    const { jobs, collection, signal } = await createRolloutHarness({
      flags: { 'models.templates': 'v2={title} at {price}' },
    });
    await jobs.backfill('v2', { actor, signal });
    const [item] = makeItems(1);
    expect(await collection('v2').hashes(['p0000'])).toEqual([
      contentHash(item!, `${item!.fields.title as string} at 0`),
    ]);
    expect(await collection('v1').hashes(['p0000'])).toEqual([
      contentHash(item!, item!.fields.title as string),
    ]);
    expect(collection('v2').spec.name).not.toBe(plain.collection('v2').spec.name);
    expect(collection('v1').spec.name).toBe(plain.collection('v1').spec.name);
    expect(await jobs.verify('v2', { actor, signal })).toMatchObject({ rows: 60, equal: 60 });
  });

  it('answers nobody meanwhile', async () => {
    const { rollout, registry } = await createRolloutHarness();
    await rollout.beginBackfill('v2', actor);
    expect(() => registry.resolve('v2')).toThrow(
      expect.objectContaining({ code: 'MODEL_VERSION_UNAVAILABLE' }),
    );
  });

  it('names the items that the model refuses, and is not verified then', async () => {
    const embedder = createFakeEmbedder({ id: 'v2', dimension: 16 });
    const refusing = {
      ...embedder,
      embed: (async (texts, options) => {
        const outcomes = await embedder.embed(texts, options);
        return outcomes.map((outcome, at) =>
          texts[at]?.includes('number 5 ') ? new KindredError('BAD_USER_INPUT', 'no such words') : outcome,
        );
      }) as typeof embedder.embed,
    };
    const { jobs, state, signal } = await createRolloutHarness({ embedders: { v2: refusing } });
    const { refused } = await jobs.backfill('v2', { actor, signal });
    expect(refused).toEqual([{ id: 'p0005', reason: 'no such words' }]);
    expect(state('v2').verified).toBeNull();
    expect(state('v2').backfill['1/1']?.finished).toBe(false);
  });

  it('ends when it is told to, and goes on from there', async () => {
    let upserts = 0;
    const harness = await createRolloutHarness({
      items: makeItems(300),
      flags: { 'rollout.backfill.batchSize': '50' },
      wrap: (inner) => ({
        ...inner,
        upsert: async (records) => {
          await inner.upsert(records);
          upserts += 1;
          if (inner.spec.version === 'v2' && upserts === 3) harness.abort();
        },
      }),
    });
    await expect(harness.jobs.backfill('v2', { actor, signal: harness.signal })).rejects.toThrow();
    const there = await harness.collection('v2').count();
    expect(there).toBeGreaterThan(0);
    expect(there).toBeLessThan(300);
    const { signal } = new AbortController();
    expect(await harness.jobs.backfill('v2', { actor, signal })).toMatchObject({ embedded: 300 - there });
  });

  it('X12: misses no change that is made while it runs, whatever it is and whenever it comes (property)', async () => {
    const change = fc.record({
      at: fc.integer({ min: 1, max: 12 }),
      id: fc.integer({ min: 0, max: 44 }),
      kind: fc.constantFrom('write', 'delete'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
        let calls = 0;
        let changing = true;
        // Changes come to both sides at any call that the backfill makes.
        const onCall = async (): Promise<void> => {
          if (!changing) return;
          changing = false;
          calls += 1;
          for (const { id, kind } of changes.filter(({ at }) => at === calls)) {
            const key = `p${String(id).padStart(4, '0')}`;
            const item = { id: key, fields: { title: `changed ${String(id)} at ${String(calls)}` } };
            for (const version of ['v1', 'v2']) {
              if (kind === 'write') await fill(version, [item]);
              else await collection(version).delete([key]);
            }
          }
          changing = true;
        };
        const noticing = (inner: Collection): Collection =>
          inner.spec.version !== 'v2'
            ? inner
            : {
                ...inner,
                hashes: async (ids) => {
                  await onCall();
                  return inner.hashes(ids);
                },
                upsert: async (records) => {
                  await onCall();
                  await inner.upsert(records);
                },
              };
        const { jobs, collection, fill, signal } = await createRolloutHarness({
          items: makeItems(40),
          flags: { 'rollout.backfill.batchSize': '10' },
          wrap: noticing,
        });
        await jobs.backfill('v2', { actor, signal });
        changing = false;
        expect(await jobs.verify('v2', { actor, signal })).toMatchObject({
          missing: 0,
          differing: 0,
          extra: 0,
        });
      }),
      { numRuns: 12 },
    );
  }, 60_000);
});

describe('a shard', () => {
  it('is written as its place among all', () => {
    expect(parseShard('2/4')).toEqual({ index: 2, count: 4 });
    for (const text of ['0/4', '5/4', '1', '1/0', 'a/b', '1/4/2', '-1/2', '1.5/2'])
      expect(parseShard(text)).toBeUndefined();
  });
});
