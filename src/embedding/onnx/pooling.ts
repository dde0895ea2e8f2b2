/** How token vectors become one: their mean, the first one, or the last one. Padding, which stands to the right, never counts. */
export type Pooling = 'mean' | 'cls' | 'last';

/** Pools token vectors `[rows, length, hidden]`, of which row `r` has `lengths[r]` that are no padding. Returns `[rows, hidden]`. */
export function poolTokens(
  tokens: Float32Array,
  lengths: ArrayLike<number>,
  { hidden, pooling }: { hidden: number; pooling: Pooling },
): Float32Array {
  const rows = lengths.length;
  const stride = rows === 0 ? 0 : tokens.length / rows;
  const pooled = new Float32Array(rows * hidden);
  for (let row = 0; row < rows; row++) {
    const length = lengths[row] ?? 0;
    const start = row * stride;
    const target = pooled.subarray(row * hidden, (row + 1) * hidden);
    if (pooling === 'mean') meanOf(tokens.subarray(start, start + length * hidden), length, target);
    else {
      const token = start + (pooling === 'cls' ? 0 : (length - 1) * hidden);
      target.set(tokens.subarray(token, token + hidden));
    }
  }
  return pooled;
}

/** Writes the mean of `count` vectors into `target`; sums in double precision, as long texts lose digits otherwise. */
function meanOf(vectors: Float32Array, count: number, target: Float32Array): void {
  const hidden = target.length;
  const sum = new Float64Array(hidden);
  for (let start = 0; start < vectors.length; start += hidden)
    for (let at = 0; at < hidden; at++) sum[at] = (sum[at] ?? 0) + (vectors[start + at] ?? 0);
  for (let at = 0; at < hidden; at++) target[at] = (sum[at] ?? 0) / count;
}

/** The first `dimension` numbers of each row of `[rows, width]`, as Matryoshka models are cut; what stays is not normalised. */
export function cutRows(vectors: Float32Array, width: number, dimension: number): Float32Array {
  if (width === dimension) return vectors;
  const rows = vectors.length / width;
  const cut = new Float32Array(rows * dimension);
  for (let row = 0; row < rows; row++)
    cut.set(vectors.subarray(row * width, row * width + dimension), row * dimension);
  return cut;
}

/** Divides each row of `[rows, dimension]` by its L2 norm, in place. A zero row stays zero; one that is not finite stays so. */
export function normaliseRows(vectors: Float32Array, dimension: number): void {
  for (let start = 0; start < vectors.length; start += dimension) {
    let square = 0;
    for (let at = start; at < start + dimension; at++) square += (vectors[at] ?? 0) ** 2;
    if (square === 0) continue;
    const norm = Math.sqrt(square);
    for (let at = start; at < start + dimension; at++) vectors[at] = (vectors[at] ?? 0) / norm;
  }
}
