import { dot } from '../vectors/unit-vectors.js';
/** How liked and disliked examples make a ranking, after Qdrant's strategies of the same names. */
export type RecommendStrategy = 'AVERAGE_VECTOR' | 'BEST_SCORE' | 'SUM_SCORES';

/** Examples as vectors, `[n][dimension]`, L2-normalised. */
export interface ExampleVectors {
  readonly likes: readonly Float32Array[];
  readonly dislikes: readonly Float32Array[];
}

/**
 * Average of the likes, pushed away from the average of the dislikes: `avg+ + avg+ - avg-`, or `avg+` without dislikes
 * (https://qdrant.tech/documentation/concepts/explore/#average-vector-strategy). Needs a like. `[dimension]`, not normalised.
 */
export function averageVector({ likes, dislikes }: ExampleVectors): Float32Array {
  const positive = 1 / likes.length;
  if (dislikes.length === 0) return combine(likes, () => positive);
  const negative = 1 / dislikes.length;
  return combine([...likes, ...dislikes], (index) => (index < likes.length ? 2 * positive : -negative));
}

/**
 * Sum of the likes less the sum of the dislikes. The dot product with it is the SUM_SCORES score of an item, since the dot product is
 * linear: one search with it ranks exactly. `[dimension]`, not normalised.
 */
export function sumVector({ likes, dislikes }: ExampleVectors): Float32Array {
  return combine([...likes, ...dislikes], (index) => (index < likes.length ? 1 : -1));
}

/**
 * BEST_SCORE of an item: its similarity to the nearest like when that is nearer than every dislike, squashed into 0 to 1; else the
 * similarity to the nearest dislike, squashed and negated (Qdrant's `RecoBestScoreQuery`).
 */
export function bestScore(vector: Float32Array, { likes, dislikes }: ExampleVectors): number {
  const like = nearest(vector, likes);
  const dislike = nearest(vector, dislikes);
  return like > dislike ? squash(like) : -squash(dislike);
}

/**
 * A strategy's score on the scale of a cosine, in the same order, so that it can be weighed against the similarity of two items. For one
 * like it is the similarity to it, whatever the strategy.
 *
 * - AVERAGE_VECTOR: a cosine already.
 * - SUM_SCORES: divided by the number of examples, the mean.
 * - BEST_SCORE: the squashing undone, so the similarity to the nearest like. Where a dislike wins, the similarity to it negated, less 2:
 *   below all that a like wins (cosines end at -1), as in the ranking.
 */
export function relevance(strategy: RecommendStrategy, score: number, examples: ExampleVectors): number {
  switch (strategy) {
    case 'AVERAGE_VECTOR':
      return score;
    case 'SUM_SCORES':
      return score / (examples.likes.length + examples.dislikes.length);
    case 'BEST_SCORE':
      return score > 0 ? unsquash(score) : -2 - unsquash(-score);
  }
}

/** `vector` times `factor`. */
export function scale(vector: Float32Array, factor: number): Float32Array {
  return vector.map((value) => value * factor);
}

function nearest(vector: Float32Array, examples: readonly Float32Array[]): number {
  return examples.reduce((best, example) => Math.max(best, dot(vector, example)), -Infinity);
}

/** Half of x / (1 + |x|), plus a half: keeps order, and lies between 0 and 1. */
function squash(x: number): number {
  return 0.5 * (x / (1 + Math.abs(x)) + 1);
}

/** The inverse of `squash`. */
function unsquash(y: number): number {
  const ratio = 2 * y - 1;
  return ratio / (1 - Math.abs(ratio));
}

function combine(vectors: readonly Float32Array[], weight: (index: number) => number): Float32Array {
  const sum = new Float64Array(vectors[0]?.length ?? 0);
  vectors.forEach((vector, at) => {
    const factor = weight(at);
    for (let index = 0; index < sum.length; index++)
      sum[index] = (sum[index] ?? 0) + factor * (vector[index] ?? 0);
  });
  return Float32Array.from(sum);
}
