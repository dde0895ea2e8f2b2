import fc from 'fast-check';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import type { Config } from '../src/config.js';
import { createFrequent } from '../src/rollout/frequent.js';
import { createSketch } from '../src/rollout/sketch.js';
import { createWarmUp } from '../src/rollout/warm-up.js';
import { createFakeEmbedder } from './fake-embedder.js';
import { type RolloutHarness, actor, createRolloutHarness } from './rollout-harness.js';

const log = pino({ level: 'silent' });

describe('a space-saving sketch', () => {
  it('has every key that is frequent, no count too low, and none too high by more than its error (property)', () => {
    const key = fc.integer({ min: 0, max: 40 }).map((index) => `q${String(Math.floor(index ** 2 / 40))}`);
    fc.assert(
      fc.property(fc.array(key, { maxLength: 400 }), fc.integer({ min: 1, max: 12 }), (stream, capacity) => {
        const sketch = createSketch(capacity);
        const exact = new Map<string, number>();
        for (const each of stream) {
          sketch.add(each);
          exact.set(each, (exact.get(each) ?? 0) + 1);
        }
        const top = sketch.top(capacity);
        expect(top.length).toBe(Math.min(capacity, exact.size));
        for (const { key: each, count, error } of top) {
          expect(count).toBeGreaterThanOrEqual(exact.get(each) ?? 0);
          expect(count - error).toBeLessThanOrEqual(exact.get(each) ?? 0);
          expect(error).toBeLessThanOrEqual(stream.length / capacity);
        }
        for (const [each, count] of exact)
          if (count > stream.length / capacity) expect(sketch.has(each)).toBe(true);
        expect(top.map(({ count }) => count)).toEqual(top.map(({ count }) => count).sort((a, b) => b - a));
      }),
    );
  });
});

describe('the most frequent texts', () => {
  const count = (perTenant: boolean): string[] => {
    const frequent = createFrequent(4, { perTenant });
    for (let turn = 0; turn < 50; turn += 1)
      for (const text of ['a', 'b', 'c', 'd', 'e']) frequent.add(text, 'large');
    for (const text of ['x', 'x', 'y']) frequent.add(text, 'small');
    expect(frequent.has('x', 'small')).toBe(true);
    expect(frequent.has('x', 'large')).toBe(!perTenant);
    return frequent.top();
  };

  it('are those of all, so that a large tenant crowds out a small one', () => {
    expect(count(false)).toHaveLength(4);
    expect(count(false)).not.toContain('x');
  });

  it('are those of each tenant in turn, where tenants are told apart', () => {
    const top = count(true);
    expect(top).toHaveLength(4);
    expect(top.slice(0, 4)).toEqual(expect.arrayContaining(['x', 'y']));
  });

  it('are those of the tenants that were there last, in bounded memory', () => {
    const frequent = createFrequent(1_000, { perTenant: true });
    for (let tenant = 0; tenant < 1_000; tenant += 1) frequent.add('lamp', `t${String(tenant)}`);
    expect(frequent.has('lamp', 't0')).toBe(false);
    expect(frequent.has('lamp', 't999')).toBe(true);
    expect(frequent.top()).toEqual(['lamp']);
  });
});

describe('warming', () => {
  const warming = async (
    more: Partial<Config['rollout']['warmUp']> = {},
    busy = (): boolean => false,
  ): Promise<{ harness: RolloutHarness; warmUp: ReturnType<typeof createWarmUp>; texts: () => string[] }> => {
    const embedder = createFakeEmbedder({ id: 'v2', dimension: 16 });
    const harness = await createRolloutHarness({ embedders: { v2: embedder } });
    const { rollout, registry } = harness;
    const warmUp = createWarmUp({
      replica: rollout.replica,
      registry,
      busy,
      log,
      settings: { texts: 2, hashed: false, tenantHeader: null, ...more },
    });
    const texts = (): string[] =>
      embedder.calls.filter(({ options }) => options.purpose === 'query').flatMap((call) => [...call.texts]);
    return { harness, warmUp, texts };
  };
  const toShadow = async ({ jobs, rollout, signal }: RolloutHarness): Promise<void> => {
    await jobs.backfill('v2', { actor, signal });
    await rollout.shadow('v2', actor);
  };
  const often = (warmUp: ReturnType<typeof createWarmUp>): void => {
    for (const [text, times] of [
      ['rare', 1],
      ['lamp', 5],
      ['chair', 3],
    ] as const)
      for (let count = 0; count < times; count += 1) warmUp.note(text);
  };

  it('embeds the most frequent queries with the version on trial, once, from its shadow on', async () => {
    const { harness, warmUp, texts } = await warming();
    often(warmUp);
    await warmUp.round();
    expect(texts()).toEqual([]);
    await toShadow(harness);
    await warmUp.round();
    expect(texts()).toEqual(['lamp', 'chair']);
    await warmUp.round();
    expect(texts()).toEqual(['lamp', 'chair']);
    warmUp.close();
  });

  it('waits while requests wait', async () => {
    let busy = true;
    const { harness, warmUp, texts } = await warming({}, () => busy);
    often(warmUp);
    await toShadow(harness);
    await warmUp.round();
    expect(texts()).toEqual([]);
    busy = false;
    await warmUp.round();
    expect(texts()).toEqual(['lamp', 'chair']);
    warmUp.close();
  });

  it('keeps no text where only hashes may be kept: a frequent one is embedded when it comes by again', async () => {
    const { harness, warmUp, texts } = await warming({ hashed: true });
    often(warmUp);
    await toShadow(harness);
    await warmUp.round();
    expect(texts()).toEqual([]);
    warmUp.note('lamp');
    warmUp.note('never seen before');
    await warmUp.round();
    expect(texts()).toEqual(['lamp']);
    warmUp.close();
  });

  it('takes the tenants in turn, where a header tells them apart', async () => {
    const { harness, warmUp, texts } = await warming({ tenantHeader: 'x-tenant' });
    for (let turn = 0; turn < 9; turn += 1) for (const text of ['lamp', 'chair']) warmUp.note(text, 'large');
    warmUp.note('kettle', 'small');
    await toShadow(harness);
    await warmUp.round();
    expect(texts()).toHaveLength(2);
    expect(texts()).toContain('kettle');
    warmUp.close();
  });
});
