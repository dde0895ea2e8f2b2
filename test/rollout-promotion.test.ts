import { describe, expect, it } from 'vitest';
import { sha256 } from '../src/catalogue/hash.js';
import { type RolloutHarness, actor, createRolloutHarness, makeItems } from './rollout-harness.js';

/** Takes v2 to where it could be promoted. */
async function tryOut(harness: RolloutHarness): Promise<void> {
  const { jobs, rollout, signal } = harness;
  const pairs = makeItems(60).map(({ id, fields }) => ({ query: fields.title as string, id }));
  await jobs.backfill('v2', { actor, signal });
  await jobs.gate('v2', { actor, signal, pairs: { pairs, digest: sha256('pairs') } });
  await rollout.shadow('v2', actor);
  await rollout.setTraffic('v2', 0.5, actor);
}

/** As if v2 had been verified days ago. */
async function age({ rollout, state }: RolloutHarness): Promise<void> {
  const { verified } = state('v2');
  const at = new Date(Date.now() - 3 * 86_400_000).toISOString();
  await rollout.noteVerified('v2', { ...verified!, at }, actor);
}

describe('a promotion', () => {
  it('fills up what an import that knew nothing of the version has left out', async () => {
    const harness = await createRolloutHarness();
    const { jobs, collection, fill, state, signal } = harness;
    await tryOut(harness);
    await age(harness);
    await fill('v1', [{ id: 'late', fields: { title: 'a late thing' } }]);
    await collection('v1').delete(['p0002']);
    const seen: number[] = [];
    await jobs.promote('v2', { step: actor, signal, onProgress: ({ done }) => seen.push(done) });
    expect(seen.at(-1)).toBe(60);
    expect(await collection('v2').fetch(['late', 'p0002'])).toEqual([
      { id: 'late', fields: { title: 'a late thing' } },
      null,
    ]);
    expect([state('v2').state, state('v1').state]).toEqual(['stable', 'retiring']);
  });

  it('asks for a verification of late, which the short step cannot make', async () => {
    const harness = await createRolloutHarness();
    const { rollout, state } = harness;
    await tryOut(harness);
    await age(harness);
    await expect(rollout.promote('v2', actor)).rejects.toThrow(
      /v2 was verified too long ago, at .*: run `kindred models verify v2`, or force it with a reason/,
    );
    expect(state('v2')).toMatchObject({ state: 'canary', share: 0.5 });
    await rollout.promote('v2', { ...actor, force: true });
    expect(state('v2').state).toBe('stable');
  });

  it('leaves out the look at the items when that was of late, or it is forced', async () => {
    for (const force of [false, true]) {
      const harness = await createRolloutHarness();
      await tryOut(harness);
      if (force) await age(harness);
      await harness.fill('v1', [{ id: 'late', fields: { title: 'a late thing' } }]);
      await harness.jobs.promote('v2', { step: { ...actor, force }, signal: harness.signal });
      expect(harness.state('v2').state).toBe('stable');
      expect(await harness.collection('v2').fetch(['late'])).toEqual([null]);
    }
  });

  it('is refused before any work to what is not on trial, and to what did not pass', async () => {
    const { jobs, rollout, signal, collection, state } = await createRolloutHarness();
    await expect(jobs.promote('v2', { step: actor, signal })).rejects.toMatchObject({ reason: 'TRANSITION' });
    await jobs.backfill('v2', { actor, signal });
    await rollout.shadow('v2', actor);
    await collection('v2').delete(['p0001']);
    await expect(jobs.promote('v2', { step: actor, signal })).rejects.toThrow(
      'has not been through the gate',
    );
    expect(await collection('v2').fetch(['p0001'])).toEqual([null]);
    // Nothing changes for the one that is stable.
    await jobs.promote('v1', { step: actor, signal });
    expect(state('v1').state).toBe('stable');
  });

  it('takes no traffic from a version that is filled up', async () => {
    const harness = await createRolloutHarness();
    const { jobs, fill, state, signal, collection } = harness;
    await tryOut(harness);
    await fill('v1', [{ id: 'late', fields: { title: 'a late thing' } }]);
    await jobs.backfill('v2', { actor, signal });
    expect(state('v2')).toMatchObject({ state: 'canary', share: 0.5, verified: { rows: 61 } });
    expect(await collection('v2').count()).toBe(61);
  });
});
