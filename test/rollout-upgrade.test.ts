import { describe, expect, it } from 'vitest';
import { sha256 } from '../src/catalogue/hash.js';
import { type UpgradeOptions, planUpgrade, upgrade } from '../src/rollout/upgrade.js';
import {
  type RolloutHarness,
  actor,
  createRolloutHarness,
  makeItems,
  shuffledEmbedder,
} from './rollout-harness.js';

const FAST = {
  'rollout.upgrade.shares': '0.1,1',
  'rollout.upgrade.holdMs': '1',
  'rollout.upgrade.shadowMs': '1',
  'rollout.upgrade.minComparisons': '0',
};
const pairs = {
  pairs: makeItems(30).map(({ id, fields }) => ({ query: fields.title as string, id })),
  digest: sha256('pairs'),
};
const optionsOf = (
  { rollout, jobs, config, signal }: RolloutHarness,
  steps: string[] = [],
): UpgradeOptions => ({
  rollout,
  jobs,
  actor,
  pairs,
  signal,
  settings: config.rollout,
  onStep: (step, detail) => steps.push(`${step}: ${detail}`),
});

describe('an upgrade', () => {
  it('is planned by what there is to do and how fast the model is', async () => {
    const harness = await createRolloutHarness({ flags: FAST });
    const plan = await planUpgrade('v2', optionsOf(harness));
    expect(plan).toMatchObject({
      version: 'v2',
      stable: 'v1',
      items: 60,
      there: 0,
      texts: 60,
      trialSeconds: 0,
      steps: ['backfill', 'verify', 'gate', 'shadow', 'traffic 10%', 'traffic 100%', 'promote'],
    });
    expect(plan.rate).toBeGreaterThan(0);
    expect(plan.backfillSeconds).toBe(Math.ceil(60 / plan.rate));
    expect(plan.bytes).toBeGreaterThan(60 * 16 * 4);
    expect(harness.state('v2').state).toBe('added');
  });

  it('walks all the way', async () => {
    const harness = await createRolloutHarness({ flags: FAST });
    const steps: string[] = [];
    await upgrade('v2', optionsOf(harness, steps));
    expect(harness.state('v2')).toMatchObject({ state: 'stable' });
    expect(harness.state('v1')).toMatchObject({ state: 'retiring', successor: 'v2' });
    const names = steps.map((step) => step.split(':')[0]);
    expect([...new Set(names)]).toEqual([
      'backfill',
      'gate',
      'shadow',
      'traffic 10%',
      'traffic 100%',
      'promote',
    ]);
    const taken = harness.rollout.replica.state.history.map(({ action, version, share }) => [
      action,
      version,
      share,
    ]);
    expect(taken).toEqual([
      ['backfill', 'v2', 0],
      ['verify', 'v2', 0],
      ['gate', 'v2', 0],
      ['shadow', 'v2', 0],
      ['traffic', 'v2', 0.1],
      ['traffic', 'v2', 1],
      ['promote', 'v2', 0],
      ['promote', 'v1', 0],
    ]);
    // Called again there is nothing to do.
    await upgrade('v2', optionsOf(harness));
    expect(harness.rollout.replica.state.history).toHaveLength(8);
  });

  it('stops at the gate when the version does worse', async () => {
    const harness = await createRolloutHarness({ flags: FAST, embedders: { v2: shuffledEmbedder() } });
    await expect(upgrade('v2', optionsOf(harness))).rejects.toThrow(/v2 did not pass the gate/);
    expect(harness.state('v2').state).toBe('backfilling');
    expect(harness.registry.resolve(null).version.id).toBe('v1');
  });

  it('stops in shadow without traffic, and goes on from there', async () => {
    const harness = await createRolloutHarness({ flags: { ...FAST, 'rollout.upgrade.minComparisons': '5' } });
    await expect(upgrade('v2', optionsOf(harness))).rejects.toThrow(
      /0 searches compared.*at least 5 are asked for/,
    );
    expect(harness.state('v2').state).toBe('shadow');
    const at = new Date().toISOString();
    await harness.rollout.noteTrial('v2', 'one', { at, compared: 3, overlap: 0.6 });
    await harness.rollout.noteTrial('v2', 'two', { at, compared: 3, overlap: 0.4 });
    const steps: string[] = [];
    await upgrade('v2', optionsOf(harness, steps));
    expect(steps).toContain('shadow: 6 searches compared, overlap 0.500');
    expect(steps).toContain('gate: is passed');
    expect(harness.state('v2').state).toBe('stable');
  });

  it('stops when its answers have too little in common with those of the stable version', async () => {
    const harness = await createRolloutHarness({ flags: FAST });
    const { rollout } = harness;
    const at = new Date().toISOString();
    const options = {
      ...optionsOf(harness),
      rollout: {
        ...rollout,
        shadow: async (...args: Parameters<(typeof rollout)['shadow']>) => {
          await rollout.shadow(...args);
          return rollout.noteTrial('v2', 'one', { at, compared: 50, overlap: 0.01 });
        },
      },
    };
    await expect(upgrade('v2', options)).rejects.toThrow(/overlap 0\.010, and at least 0\.1/);
  });

  it('stops when it loses its traffic meanwhile, and says who took it', async () => {
    const harness = await createRolloutHarness({ flags: FAST });
    const { rollout } = harness;
    const options = {
      ...optionsOf(harness),
      rollout: {
        ...rollout,
        setTraffic: async (...args: Parameters<(typeof rollout)['setTraffic']>) => {
          await rollout.setTraffic(...args);
          return rollout.rollback({ who: 'guardrail', why: 'it is slow' });
        },
      },
    };
    await expect(upgrade('v2', options)).rejects.toThrow('v2 lost its traffic: guardrail: it is slow');
    expect(harness.state('v2')).toMatchObject({ state: 'shadow', share: 0 });
  });
});
