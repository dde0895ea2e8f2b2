/** The `a` of smooth inverse frequency; 0.001 does well with every kind of vector (Arora et al. 2017, figure 1). */
export const SIF_A = 1e-3;

/** Weight of a word of probability `p`: a / (a + p). */
export function sifWeight(p: number, a = SIF_A): number {
  return a / (a + p);
}

/** Probabilities by Zipf's law of words in the order of their frequency: in inverse proportion to the rank. They sum to 1. */
export function zipfProbabilities(words: number): Float64Array {
  const probabilities = Float64Array.from({ length: words }, (_, row) => 1 / (row + 1));
  const sum = probabilities.reduce((total, value) => total + value, 0);
  return probabilities.map((value) => value / sum);
}

/** The first principal direction, `[dimension]` of norm 1, of vectors that are given one by one; undefined before the first. */
export interface PrincipalDirection {
  add(vector: Float64Array): void;
  direction(): Float32Array | undefined;
}

const POWER_STEPS = 200;

/** Sums the second moments, `[dimension, dimension]`, and finds their first eigenvector by power iteration. */
export function createPrincipalDirection(dimension: number): PrincipalDirection {
  const moments = new Float64Array(dimension * dimension);
  let count = 0;
  return {
    add: (vector) => {
      count += 1;
      for (let row = 0; row < dimension; row++) {
        const value = vector[row] ?? 0;
        for (let column = 0; column < dimension; column++) {
          const at = row * dimension + column;
          moments[at] = (moments[at] ?? 0) + value * (vector[column] ?? 0);
        }
      }
    },
    direction: () => {
      if (count === 0) return undefined;
      // No symmetric start: one that is orthogonal to the answer would never find it.
      let direction = Float64Array.from({ length: dimension }, (_, at) => 1 + at / dimension);
      for (let step = 0; step < POWER_STEPS; step++) {
        const next = new Float64Array(dimension);
        for (let row = 0; row < dimension; row++) {
          let sum = 0;
          for (let column = 0; column < dimension; column++)
            sum += (moments[row * dimension + column] ?? 0) * (direction[column] ?? 0);
          next[row] = sum;
        }
        const norm = Math.hypot(...next);
        if (norm === 0) return undefined;
        direction = next.map((value) => value / norm);
      }
      return Float32Array.from(direction);
    },
  };
}
