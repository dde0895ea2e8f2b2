import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuse } from '../src/search/fusion.js';
import type { Hit } from '../src/vectors/store.js';

/** A ranking of `ids`, best first. */
const ranking = (ids: readonly string[]): Hit[] => ids.map((id, index) => ({ id, score: 100 - index }));

const rankings = fc.array(
  fc.record({
    hits: fc.uniqueArray(fc.stringMatching(/^[a-j]$/)).map(ranking),
    weight: fc.double({ min: 0.1, max: 10, noNaN: true }),
  }),
  { maxLength: 3 },
);

describe('fusion by reciprocal rank', () => {
  it('scores the sum of 1 / (60 + rank) over the rankings', () => {
    const fused = fuse(
      [
        { hits: ranking(['a', 'b', 'c']), weight: 1 },
        { hits: ranking(['c', 'a']), weight: 1 },
      ],
      60,
    );
    expect(fused.map(({ id }) => id)).toEqual(['a', 'c', 'b']);
    expect(fused[0]?.score).toBeCloseTo(1 / 61 + 1 / 62, 12);
    expect(fused[1]?.score).toBeCloseTo(1 / 63 + 1 / 61, 12);
    expect(fused[2]?.score).toBeCloseTo(1 / 62, 12);
  });

  it('holds every item of every ranking once, and nothing else', () => {
    fc.assert(
      fc.property(rankings, (input) => {
        const all = new Set(input.flatMap(({ hits }) => hits.map(({ id }) => id)));
        expect(
          fuse(input, 60)
            .map(({ id }) => id)
            .sort(),
        ).toEqual([...all].sort());
      }),
    );
  });

  it('keeps the order of a single ranking, and of any that agree', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string()), fc.integer({ min: 1, max: 4 }), (ids, copies) => {
        const input = Array.from({ length: copies }, () => ({ hits: ranking(ids), weight: 1 }));
        expect(fuse(input, 60).map(({ id }) => id)).toEqual(ids);
      }),
    );
  });

  it('does not care for the order of the rankings or the scale of their scores', () => {
    fc.assert(
      fc.property(rankings, fc.double({ min: 0.001, max: 1000, noNaN: true }), (input, scale) => {
        const scaled = input.map(({ hits, weight }) => ({
          weight,
          hits: hits.map(({ id, score }) => ({ id, score: score * scale })),
        }));
        const [there, back] = [fuse(input, 60), fuse(scaled.reverse(), 60)];
        const byId = new Map(back.map(({ id, score }) => [id, score]));
        for (const { id, score } of there) expect(byId.get(id)).toBeCloseTo(score, 12);
      }),
    );
  });

  it('leaves out a ranking of weight 0', () => {
    const input = [
      { hits: ranking(['a']), weight: 0 },
      { hits: ranking(['b']), weight: 1 },
    ];
    expect(fuse(input, 60).map(({ id }) => id)).toEqual(['b']);
  });

  it('breaks ties by id', () => {
    const input = [
      { hits: ranking(['b', 'a']), weight: 1 },
      { hits: ranking(['a', 'b']), weight: 1 },
    ];
    expect(fuse(input, 60).map(({ id }) => id)).toEqual(['a', 'b']);
  });
});
