import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { averageVector, bestScore, sumVector } from '../src/search/strategies.js';
import { dot, norm } from '../src/vectors/unit-vectors.js';

const DIMENSION = 5;
const vector = fc
  .array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: DIMENSION, maxLength: DIMENSION })
  .map((values) => Float32Array.from(values))
  .filter((values) => norm(values) > 1e-3)
  .map((values) => values.map((value) => value / norm(values)));
const some = fc.array(vector, { minLength: 1, maxLength: 5 });
const any = fc.array(vector, { maxLength: 5 });

describe('recommend strategies', () => {
  it('AVERAGE_VECTOR is the mean of the likes when nothing is disliked', () => {
    fc.assert(
      fc.property(some, (likes) => {
        const mean = averageVector({ likes, dislikes: [] });
        mean.forEach((value, index) => {
          const expected = likes.reduce((sum, like) => sum + like[index]!, 0) / likes.length;
          expect(value).toBeCloseTo(expected, 5);
        });
      }),
    );
  });

  it('AVERAGE_VECTOR is avg+ + avg+ - avg- with dislikes', () => {
    fc.assert(
      fc.property(some, some, (likes, dislikes) => {
        const positive = averageVector({ likes, dislikes: [] });
        const negative = averageVector({ likes: dislikes, dislikes: [] });
        averageVector({ likes, dislikes }).forEach((value, index) => {
          expect(value).toBeCloseTo(2 * positive[index]! - negative[index]!, 5);
        });
      }),
    );
  });

  it('the dot product with the sum vector is the sum of similarities, likes less dislikes', () => {
    fc.assert(
      fc.property(vector, any, some, (item, likes, dislikes) => {
        const expected =
          likes.reduce((sum, like) => sum + dot(item, like), 0) -
          dislikes.reduce((sum, dislike) => sum + dot(item, dislike), 0);
        expect(dot(item, sumVector({ likes, dislikes }))).toBeCloseTo(expected, 4);
      }),
    );
  });

  it('BEST_SCORE is positive exactly when the nearest example is a like', () => {
    fc.assert(
      fc.property(vector, any, any, (item, likes, dislikes) => {
        fc.pre(likes.length + dislikes.length > 0);
        const best = (examples: readonly Float32Array[]): number =>
          Math.max(-Infinity, ...examples.map((example) => dot(item, example)));
        expect(bestScore(item, { likes, dislikes }) > 0).toBe(best(likes) > best(dislikes));
      }),
    );
  });

  it('BEST_SCORE keeps the order of similarity among items that a like wins, and the reverse among those that a dislike wins', () => {
    fc.assert(
      fc.property(vector, vector, vector, (a, b, example) => {
        fc.pre(Math.abs(dot(a, example) - dot(b, example)) > 1e-9);
        const nearer = dot(a, example) > dot(b, example);
        const liked = { likes: [example], dislikes: [] };
        const disliked = { likes: [], dislikes: [example] };
        expect(bestScore(a, liked) > bestScore(b, liked)).toBe(nearer);
        expect(bestScore(a, disliked) < bestScore(b, disliked)).toBe(nearer);
      }),
    );
  });

  it('BEST_SCORE matches figures worked out by hand', () => {
    const like = Float32Array.of(1, 0);
    const dislike = Float32Array.of(0, 1);
    expect(bestScore(like, { likes: [like], dislikes: [dislike] })).toBeCloseTo(0.75, 6);
    expect(bestScore(dislike, { likes: [like], dislikes: [dislike] })).toBeCloseTo(-0.75, 6);
    expect(bestScore(Float32Array.of(-1, 0), { likes: [like], dislikes: [] })).toBeCloseTo(0.25, 6);
  });
});
