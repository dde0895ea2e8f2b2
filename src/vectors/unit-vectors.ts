/** The inner product of two vectors of the same dimension. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] ?? 0) * (b[index] ?? 0);
  return sum;
}

/** The Euclidean length of a vector. */
export function norm(vector: Float32Array): number {
  return Math.sqrt(dot(vector, vector));
}

/** `vector` with length 1. */
export function unit(vector: Float32Array): Float32Array {
  const length = norm(vector);
  return vector.map((value) => value / length);
}

/** Vectors one after another, of unit length, `[n][dimension]`; those that are missing are left out. */
export function joined(
  vectors: readonly (Float32Array | null)[],
  dimension: number,
): Float32Array<ArrayBuffer> {
  const there = vectors.filter((vector) => vector !== null);
  const all = new Float32Array(there.length * dimension);
  for (const [row, vector] of there.entries()) all.set(unit(vector), row * dimension);
  return all;
}
