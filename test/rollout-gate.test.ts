import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { KindredError } from '../src/errors.js';
import { sha256 } from '../src/catalogue/hash.js';
import { createFakeEmbedder } from './fake-embedder.js';
import { actor, createRolloutHarness, makeItems, shuffledEmbedder } from './rollout-harness.js';

const pairsOf = (count: number): { pairs: { query: string; id: string }[]; digest: string } => ({
  pairs: makeItems(count).map(({ id, fields }) => ({ query: fields.title as string, id })),
  digest: sha256(`pairs ${String(count)}`),
});

describe('a gate', () => {
  it('passes a version that does as well, with interval, overlap and times, and binds the result to the files', async () => {
    const { jobs, rollout, registry, state, signal } = await createRolloutHarness();
    await jobs.backfill('v2', { actor, signal });
    const { report, file } = await jobs.gate('v2', { actor, signal, pairs: pairsOf(40) });
    expect(report).toMatchObject({
      passed: true,
      failures: [],
      relativeAccuracy: 1,
      lost: [],
      won: 0,
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
