import { describe, expect, it } from 'vitest';
import { createCpuWatch } from '../src/cpu-times.js';
import { createFakeEmbedder } from './fake-embedder.js';
import { createLoadMeter } from '../src/rollout/other-load.js';
import { actor, createRolloutHarness } from './rollout-harness.js';

describe('the load of other processes', () => {
  it('is the share of the CPU time that they used since the look before', () => {
    let now = 0;
    let times = { busy: 1_000, idle: 1_000, own: 100 };
    const others = createLoadMeter(
      createCpuWatch(
        () => times,
        () => now,
      ),
    );
    expect(others()).toBe(0);
    now = 1_000;
    times = { busy: 2_000, idle: 2_000, own: 600 };
    expect(others()).toBe(0.25);
    // Too soon to tell anything new.
    now = 1_100;
    times = { busy: 9_000, idle: 2_000, own: 600 };
    expect(others()).toBe(0.25);
    now = 2_000;
    times = { busy: 3_000, idle: 3_000, own: 1_700 };
    expect(others()).toBe(0);
    now = 3_000;
    expect(others()).toBe(0);
  });

  it('can be read on this machine', async () => {
    const others = createLoadMeter();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(others()).toBeGreaterThanOrEqual(0);
    expect(others()).toBeLessThanOrEqual(1);
  });
});

describe('a backfill that leaves time to others', () => {
  const pieces = async (share: string): Promise<{ sizes: number[]; seconds: number; embedMs: number }> => {
    const embedder = createFakeEmbedder({ id: 'v2', dimension: 16 });
    const sizes: number[] = [];
    const slow: typeof embedder = {
      ...embedder,
      embed: async (texts, options) => {
        sizes.push(texts.length);
        await new Promise((resolve) => setTimeout(resolve, 20));
        return embedder.embed(texts, options);
      },
    };
    const { jobs, signal } = await createRolloutHarness({
      embedders: { v2: slow },
      flags: { 'rollout.backfill.maxShare': share },
    });
    const { seconds, embedded } = await jobs.backfill('v2', { actor, signal });
    expect(embedded).toBe(60);
    return { sizes, seconds, embedMs: sizes.length * 20 };
  };

  it('embeds in small pieces and rests after each for its share', async () => {
    const { sizes, seconds, embedMs } = await pieces('0.2');
    expect(sizes).toEqual(Array(15).fill(4));
    // Five times what it worked, but for timers that fire a little early.
    expect(seconds * 1_000).toBeGreaterThan(4 * embedMs);
  });

  it('embeds as much at once as it may when the time is its own', async () => {
    expect((await pieces('1')).sizes).toEqual([60]);
  });
});
