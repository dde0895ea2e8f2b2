import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { KindredError } from '../src/errors.js';
import { contentHash, sha256 } from '../src/catalogue/hash.js';
import { parseShard } from '../src/rollout/shard.js';
import type { Collection } from '../src/vectors/store.js';
import { createFakeEmbedder } from './fake-embedder.js';
import { actor, createRolloutHarness, makeItems, shuffledEmbedder } from './rollout-harness.js';

const pairsOf = (count: number): { pairs: { query: string; id: string }[]; digest: string } => ({
  pairs: makeItems(count).map(({ id, fields }) => ({ query: fields.title as string, id })),
  digest: sha256(`pairs ${String(count)}`),
});

describe('a backfill', () => {
  it('embeds every item of the stable version into the new one, and proves it', async () => {
    const { jobs, collection, state, signal } = await createRolloutHarness();
    const seen: number[] = [];
    const summary = await jobs.backfill('v2', {
      ...{ actor, signal },
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
          ...{ missing: 0, differing: 0, extra: 0 },
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

describe('a gate', () => {
  it('passes a version that does as well, with interval, overlap and times, and binds the result to the files', async () => {
    const { jobs, rollout, registry, state, signal } = await createRolloutHarness();
    await jobs.backfill('v2', { actor, signal });
    const { report, file } = await jobs.gate('v2', { actor, signal, pairs: pairsOf(40) });
    expect(report).toMatchObject({
      ...{ passed: true, failures: [], relativeAccuracy: 1, lost: [], won: 0 },
      candidate: { version: 'v2', dimension: 16, accuracy: 1 },
      baseline: { version: 'v1', dimension: 8, accuracy: 1 },
      pairs: { count: 40, digest: pairsOf(40).digest },
      interval: { low: 1, high: 1 },
    });
    expect(report.overlap).toBeGreaterThan(0.1);
    expect(report.candidate.medianMs).toBeGreaterThan(0);
    const { digest, ...rest } = report;
    expect(digest).toBe(sha256(JSON.stringify(rest)));
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(report);
    expect(state('v2').gate).toMatchObject({ passed: true, digest });
    expect(state('v2').gate?.candidateDigest).toBe(registry.versions()[1]?.digest);
    await rollout.shadow('v2', actor);
    await rollout.setTraffic('v2', 0.1, actor);
    await rollout.promote('v2', actor);
    expect(state('v2').state).toBe('stable');
    expect(registry.resolve(null).version).toMatchObject({ id: 'v2', traffic: 1, role: 'STABLE' });
  });

  it('refuses one that does worse, names the pairs that it lost, and then nothing gives it traffic but force with a reason', async () => {
    const { jobs, rollout, state, signal } = await createRolloutHarness({
      embedders: { v2: shuffledEmbedder() },
    });
    await jobs.backfill('v2', { actor, signal });
    const { report } = await jobs.gate('v2', { actor, signal, pairs: pairsOf(40) });
    expect(report.passed).toBe(false);
    expect(report.failures.join()).toMatch(/keeps \d+\.\d% of the accuracy of v1/);
    expect(report.lost.length).toBeGreaterThan(20);
    expect(report.interval.high).toBeLessThan(0.95);
    await rollout.shadow('v2', actor);
    await expect(rollout.setTraffic('v2', 0.1, actor)).rejects.toThrow(/did not pass the gate/);
    await expect(rollout.promote('v2', actor)).rejects.toThrow(/did not pass the gate/);
    await expect(rollout.setTraffic('v2', 0.1, { who: 'a test', why: ' ', force: true })).rejects.toThrow(
      /needs a reason/,
    );
    await rollout.setTraffic('v2', 0.1, { ...actor, force: true });
    expect(state('v2')).toMatchObject({ state: 'canary', share: 0.1 });
    await rollout.rollback(actor);
    expect(state('v2')).toMatchObject({ state: 'shadow', share: 0 });
  });

  it('says so when the pairs are of another catalogue', async () => {
    const { jobs, signal } = await createRolloutHarness();
    await jobs.backfill('v2', { actor, signal });
    const pairs = { pairs: [{ query: 'thing', id: 'elsewhere' }], digest: 'd' };
    const { report } = await jobs.gate('v2', { actor, signal, pairs });
    expect(report).toMatchObject({ passed: false, relativeAccuracy: 0 });
    expect(report.failures.join()).toMatch(/are they of this catalogue/);
  });

  it.each([
    [
      'of another length',
      (vector: Float32Array) => vector.map((value) => value * 2),
      /has the length 2\.0000/,
    ],
    ['with NaN', (vector: Float32Array) => vector.map((value, at) => (at === 0 ? NaN : value)), /not finite/],
    [
      'of another dimension',
      (vector: Float32Array) => vector.slice(1),
      /has 15 numbers, and 16 are declared/,
    ],
  ])('refuses vectors %s', async (_what, spoil, words) => {
    const embedder = createFakeEmbedder({ id: 'v2', dimension: 16 });
    const spoilt = {
      ...embedder,
      embed: (async (texts, options) => {
        const outcomes = await embedder.embed(texts, options);
        if (options.purpose === 'document') return outcomes;
        return outcomes.map((outcome) =>
          outcome instanceof KindredError ? outcome : { ...outcome, vector: spoil(outcome.vector) },
        );
      }) as typeof embedder.embed,
    };
    const { jobs, signal } = await createRolloutHarness({ embedders: { v2: spoilt } });
    await jobs.backfill('v2', { actor, signal });
    const outcome = await jobs.gate('v2', { actor, signal, pairs: pairsOf(5) }).then(
      ({ report }) => report.failures.join(),
      (error: unknown) => String(error),
    );
    expect(outcome).toMatch(words);
  });
});

describe('promotion', () => {
  it('asks for a gate that fits what is served now', async () => {
    const { jobs, rollout, state, signal } = await createRolloutHarness();
    await jobs.backfill('v2', { actor, signal });
    await expect(rollout.promote('v2', actor)).rejects.toThrow(/has not been through the gate/);
    const { report } = await jobs.gate('v2', { actor, signal, pairs: pairsOf(10) });
    await rollout.shadow('v2', actor);
    const { gate } = state('v2');
    const cases: [Partial<NonNullable<typeof gate>>, RegExp][] = [
      [{ candidateDigest: 'f'.repeat(64) }, /the files of v2 are others/],
      [{ baselineDigest: 'f'.repeat(64) }, /the files of v1 are others/],
      [{ against: 'v0' }, /held against v0, but v1 is stable/],
      [{ at: '2020-01-01T00:00:00.000Z' }, /too old/],
      [{ passed: false, failures: ['it is bad'] }, /did not pass the gate: it is bad/],
    ];
    for (const [more, words] of cases) {
      await rollout.noteGate('v2', { ...gate!, digest: String(words), ...more }, actor);
      await expect(rollout.promote('v2', actor)).rejects.toThrow(words);
      await expect(rollout.setTraffic('v2', 1, actor)).rejects.toThrow(words);
    }
    await rollout.noteGate('v2', gate!, actor);
    await rollout.promote('v2', actor);
    expect(state('v1')).toMatchObject({ state: 'retiring', successor: 'v2' });
    expect(report.passed).toBe(true);
  });

  it('X15: can be taken back, and the retired version ends with its successor named', async () => {
    const { jobs, rollout, registry, state, signal } = await createRolloutHarness();
    await jobs.backfill('v2', { actor, signal });
    await jobs.gate('v2', { actor, signal, pairs: pairsOf(10) });
    await rollout.shadow('v2', actor);
    await rollout.promote('v2', actor);
    expect(registry.resolve('v1').version.state).toBe('retiring');
    await rollout.rollback(actor);
    expect(registry.resolve(null).version.id).toBe('v1');
    expect(state('v2').state).toBe('added');
    await expect(rollout.rollback(actor)).rejects.toThrow(/nothing to roll back/);
    await jobs.backfill('v2', { actor, signal });
    await rollout.shadow('v2', actor);
    await rollout.promote('v2', actor);
    await rollout.retire('v1', actor);
    expect(registry.versions().map(({ id }) => id)).toEqual(['v2']);
    expect(() => registry.resolve('v1')).toThrow(
      /model version v1 is retired, and v2 answers in its place: expected modelVersion to be one of v2/,
    );
    expect(() => registry.resolve('v0')).toThrow(/^expected modelVersion/);
  });

  it('V6: ends a version at its sunset, even before anybody has noted it', async () => {
    const { jobs, rollout, registry, signal } = await createRolloutHarness({
      flags: { 'rollout.sunsetDays': '0' },
    });
    await jobs.backfill('v2', { actor, signal });
    await rollout.shadow('v2', actor);
    await rollout.promote('v2', { ...actor, force: true });
    expect(() => registry.resolve('v1')).toThrow(
      expect.objectContaining({ code: 'MODEL_VERSION_NOT_FOUND' }),
    );
  });

  it('of an unverified version into shadow is refused', async () => {
    const { rollout } = await createRolloutHarness();
    await rollout.beginBackfill('v2', actor);
    await expect(rollout.shadow('v2', actor)).rejects.toThrow(/v2 is not verified against v1/);
  });
});
