/** `vector` with length 1. */
export function unit(vector: Float32Array): Float32Array {
  const norm = Math.sqrt(dot(vector, vector));
  return vector.map((x) => x / norm);
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
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
