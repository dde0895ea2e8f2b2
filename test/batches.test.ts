import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDrainRate } from '../src/embedding/drain-rate.js';
import { createLane } from '../src/embedding/lane.js';
import { partition } from '../src/embedding/onnx/partition.js';
import { createRunCost } from '../src/embedding/onnx/run-cost.js';

describe('the speed of a queue', () => {
  it('is that of batches side by side together, and idle time counts for nothing', () => {
    const rate = createDrainRate();
    expect(rate.waitFor(100)).toBeUndefined();
    expect(rate.timeFor(100)).toBe(1_000);
    // Two workers, each 100 tokens in 20 ms, by turns; then a second of rest, and again.
    for (const from of [0, 1_000])
      for (let at = from; at < from + 400; at += 10) rate.learn(100, at - 10, at + 10);
    expect(rate.waitFor(1_000)).toBeCloseTo(100, 0);
  });

  it('starts from the first guess and forgets it', () => {
    const rate = createDrainRate(2);
    expect(rate.waitFor(1_000)).toBe(500);
    for (let at = 0; at < 50; at++) rate.learn(40, at * 10, at * 10 + 10);
    expect(rate.waitFor(1_000)).toBeCloseTo(250, 0);
  });
});

describe('a lane', () => {
  const bounds = fc.record({
    maxTexts: fc.integer({ min: 1, max: 9 }),
    maxTokens: fc.integer({ min: 1, max: 99 }),
  });

  it('hands out each entry once, the oldest first, within the limits', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 80 }), bounds, (lengths, most) => {
        const entries = lengths.map((tokens) => ({ tokens }));
        const lane = createLane<{ tokens: number }>(50);
        entries.forEach(lane.add);
        const waiting = new Set(entries);
        while (lane.texts > 0) {
          const batch = lane.take(most);
          expect(batch[0]).toBe([...waiting][0]);
          expect(batch.length).toBeLessThanOrEqual(most.maxTexts);
          const padded = batch.length * Math.max(...batch.map(({ tokens }) => Math.min(tokens, 50)));
          if (batch.length > 1) expect(padded).toBeLessThanOrEqual(most.maxTokens);
          for (const entry of batch) expect(waiting.delete(entry)).toBe(true);
          expect(lane.tokens).toBe([...waiting].reduce((sum, { tokens }) => sum + tokens, 0));
        }
        expect(waiting.size).toBe(0);
        expect(lane.take(most)).toEqual([]);
      }),
    );
  });

  it('lets none that came later go first while any is left of those that waited together', () => {
    // A number arrives with that length; null takes a batch.
    const events = fc.array(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant(null)), { maxLength: 120 });
    fc.assert(
      fc.property(events, bounds, (steps, most) => {
        const lane = createLane<{ tokens: number }>(50);
        let together = new Set<{ tokens: number }>();
        const later = new Set<{ tokens: number }>();
        for (const tokens of steps) {
          if (tokens !== null) {
            const entry = { tokens };
            lane.add(entry);
            later.add(entry);
            continue;
          }
          if (together.size === 0) {
            together = new Set(later);
            later.clear();
          }
          const batch = lane.take(most);
          for (const entry of batch) together.delete(entry);
          const came = batch.filter((entry) => later.delete(entry));
          if (came.length > 0) expect(together.size).toBe(0);
        }
      }),
    );
  });
});

describe.each([
  ['padded', { padded: true, hidden: 16 }],
  ['packed', { padded: false, hidden: 16 }],
])('cutting a batch of %s texts into session runs', (_, shape) => {
  const most = { maxTexts: 5, maxTokens: 60 };
  const sorted = fc
    .array(fc.integer({ min: 1, max: 80 }), { maxLength: 10 })
    .map((lengths) => lengths.sort((a, b) => a - b));
  const sumOf = (run: readonly number[]): number => run.reduce((sum, length) => sum + length, 0);
  const sizeOf = (run: readonly number[]): number =>
    shape.padded ? run.length * Math.max(...run) : sumOf(run);
  /** Packed: each text's attention is as wide as the longest; 4 h L^2 operations beside 24 h^2 a token. */
  const costOf = (run: readonly number[]): number =>
    sizeOf(run) + (shape.padded ? 0 : (run.length * Math.max(...run) ** 2) / (6 * shape.hidden));
  const total = (lengths: readonly number[], ends: readonly number[]): number =>
    ends.reduce((sum, end, at) => sum + 12 + costOf(lengths.slice(ends[at - 1] ?? 0, end)), 0);

  /** Every way to cut `lengths` within the limits. */
  function* cuts(lengths: readonly number[], start = 0): Generator<number[]> {
    if (start === lengths.length) yield [];
    for (let end = start + 1; end <= Math.min(lengths.length, start + most.maxTexts); end++) {
      if (end - start > 1 && sizeOf(lengths.slice(start, end)) > most.maxTokens) break;
      for (const rest of cuts(lengths, end)) yield [end, ...rest];
    }
  }

  it('costs no more than any other way to cut it', () => {
    fc.assert(
      fc.property(sorted, (lengths) => {
        const all = [...cuts(lengths)];
        const ends = partition(lengths, 12, shape, most);
        expect(all).toContainEqual(ends);
        expect(total(lengths, ends)).toBeCloseTo(Math.min(...all.map((other) => total(lengths, other))), 9);
      }),
    );
  });
});

describe('the cost of a run', () => {
  it('learns what a run costs from the times of earlier runs', () => {
    const cost = createRunCost(12);
    expect(cost.tokens()).toBe(12);
    for (let tokens = 10; tokens < 500; tokens += 20) cost.learn(tokens, 4 + 0.05 * tokens);
    expect(cost.tokens()).toBeCloseTo(80, 5);
  });
});
