import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diversify } from '../src/search/diversity.js';
import { rankHits } from '../src/search/ranking.js';
import { bestScore, relevance } from '../src/search/strategies.js';
import { dot, norm } from '../src/vectors/unit-vectors.js';

const DIMENSION = 4;
// Few values, so that equal vectors and equal relevances are common.
const vector = fc
  .array(fc.integer({ min: -2, max: 2 }), { minLength: DIMENSION, maxLength: DIMENSION })
  .map((values) => Float32Array.from(values))
  .filter((values) => norm(values) > 0)
  .map((values) => values.map((value) => value / norm(values)));
const relevanceValue = fc.integer({ min: -8, max: 8 }).map((value) => value / 8);
const diversityValue = fc.oneof(
  fc.constantFrom(0, 1),
  fc.double({ min: 0, max: 1, noNaN: true, noDefaultInfinity: true }),
);

interface Candidate {
  readonly id: string;
  readonly relevance: number;
  readonly vector: Float32Array;
}

/** Candidates as recommend has them: ranked, those of the same score by id. */
function rank(candidates: readonly Candidate[]): Candidate[] {
  const byId = new Map(candidates.map((candidate) => [candidate.id, candidate]));
  const hits = candidates.map((candidate) => ({ id: candidate.id, score: candidate.relevance }));
  return rankHits(hits).map(({ id }) => byId.get(id)!);
}

const candidates = fc.uniqueArray(fc.record({ id: fc.string(), relevance: relevanceValue, vector }), {
  selector: ({ id }) => id,
  maxLength: 20,
});

describe('diversify', () => {
  it('answers a permutation of its input', () => {
    fc.assert(
      fc.property(candidates, diversityValue, (given, diversity) => {
        const ranked = rank(given);
        const found = diversify(ranked, diversity);
        expect(found).toHaveLength(ranked.length);
        expect(new Set(found)).toEqual(new Set(ranked));
      }),
    );
  });

  it('keeps the ranking at 0', () => {
    fc.assert(
      fc.property(candidates, (given) => {
        expect(diversify(rank(given), 0)).toEqual(rank(given));
      }),
    );
  });

  it('begins with the most relevant, however diverse', () => {
    fc.assert(
      fc.property(candidates, diversityValue, (given, diversity) => {
        fc.pre(given.length > 0);
        const most = Math.max(...given.map((candidate) => candidate.relevance));
        expect(diversify(rank(given), diversity)[0]?.relevance).toBe(most);
      }),
    );
  });

  it('answers the same for the same items, in whatever order they were found', () => {
    const turned = candidates.chain((given) =>
      fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length })),
    );
    fc.assert(
      fc.property(turned, diversityValue, ([given, other], diversity) => {
        expect(diversify(rank(other), diversity)).toEqual(diversify(rank(given), diversity));
      }),
    );
  });

  it('takes each time the greatest marginal relevance, worked out afresh from all that was taken', () => {
    fc.assert(
      fc.property(candidates, diversityValue, (given, diversity) => {
        const found = diversify(rank(given), diversity);
        for (let turn = 1; turn < found.length; turn++) {
          const taken = found.slice(0, turn);
          const values = found.slice(turn).map((candidate) => {
            const nearest = Math.max(...taken.map((other) => dot(candidate.vector, other.vector)));
            return (1 - diversity) * candidate.relevance - diversity * nearest;
          });
          expect(values[0]).toBe(Math.max(...values));
        }
      }),
    );
  });

  it('takes equals by id', () => {
    const ids = fc.uniqueArray(fc.string(), { maxLength: 12 });
    fc.assert(
      fc.property(ids, vector, relevanceValue, diversityValue, (given, same, value, diversity) => {
        const equals = given.map((id) => ({ id, relevance: value, vector: same }));
        const found = diversify(rank(equals), diversity).map(({ id }) => id);
        expect(found).toEqual([...given].sort());
      }),
    );
  });

  it('matches figures worked out by hand: a near copy of the best waits for something else', () => {
    const at = (degrees: number): Float32Array =>
      Float32Array.of(Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180));
    const [best, copy, other] = [
      { relevance: 0.9, vector: at(0) },
      { relevance: 0.85, vector: at(10) },
      { relevance: 0.4, vector: at(80) },
    ];
    // At 0.5: 0.425 - 0.492 = -0.067 for the copy, 0.2 - 0.087 = 0.113 for the other.
    expect(diversify([best, copy, other], 0.5)).toEqual([best, other, copy]);
    // At 0.3: 0.595 - 0.295 = 0.300 against 0.28 - 0.052 = 0.228.
    expect(diversify([best, copy, other], 0.3)).toEqual([best, copy, other]);
  });
});

describe('relevance', () => {
  it('is the similarity to the one like, whatever the strategy', () => {
    fc.assert(
      fc.property(vector, vector, (item, like) => {
        const examples = { likes: [like], dislikes: [] };
        const cosine = dot(item, like);
        expect(relevance('AVERAGE_VECTOR', cosine, examples)).toBe(cosine);
        expect(relevance('SUM_SCORES', cosine, examples)).toBe(cosine);
        expect(relevance('BEST_SCORE', bestScore(item, examples), examples)).toBeCloseTo(cosine, 9);
      }),
    );
  });

  it('is the mean of SUM_SCORES, likes less dislikes', () => {
    const one = Float32Array.of(1, 0);
    expect(relevance('SUM_SCORES', 1.5, { likes: [one, one], dislikes: [one] })).toBe(0.5);
  });

  it('keeps the order of BEST_SCORE, items that a dislike wins below all that a like wins', () => {
    fc.assert(
      fc.property(
        vector,
        vector,
        fc.array(vector, { minLength: 1, maxLength: 3 }),
        fc.array(vector, { maxLength: 3 }),
        (a, b, likes, dislikes) => {
          const examples = { likes, dislikes };
          const [better, worse] = [a, b]
            .map((item) => bestScore(item, examples))
            .sort((x, y) => y - x)
            .map((score) => relevance('BEST_SCORE', score, examples));
          expect(better! - worse!).toBeGreaterThanOrEqual(-1e-9);
        },
      ),
    );
  });
});
