/** What a session run may hold at most. */
export interface RunLimits {
  readonly maxTexts: number;
  /** Padding included. A single text above it runs alone. */
  readonly maxTokens: number;
}

/** How a graph takes texts. */
export interface RunShape {
  /** Whether all are padded to the longest; false where they are packed. */
  readonly padded: boolean;
  /** Numbers of a token inside the model. */
  readonly hidden: number;
}

/**
 * What a run of `texts` texts, of `tokens` tokens in all, costs besides its start, in tokens. Packed texts are padded for attention only, of
 * which a text costs longest^2 / (6 hidden): its products take 4 hidden longest^2 operations a layer, where the matrices take 24 hidden^2 a token.
 */
function costOf({ padded, hidden }: RunShape, texts: number, tokens: number, longest: number): number {
  return padded ? texts * longest : tokens + (texts * longest * longest) / (6 * hidden);
}

/**
 * Cuts texts, given by their lengths in ascending order, into runs of neighbours so that the total cost (tokens, padding and all, plus
 * runCost a run) is the least possible: a shortest path over the cuts, O(texts x maxTexts). Returns where each run ends.
 */
export function partition(
  lengths: ArrayLike<number>,
  runCost: number,
  shape: RunShape,
  { maxTexts, maxTokens }: RunLimits,
): number[] {
  const cost = new Float64Array(lengths.length + 1);
  const startOf = new Uint32Array(lengths.length + 1);
  for (let end = 1; end <= lengths.length; end++) {
    const longest = lengths[end - 1] ?? 0;
    cost[end] = Infinity;
    let tokens = 0;
    for (let start = end - 1; start >= Math.max(0, end - maxTexts); start--) {
      const texts = end - start;
      tokens += lengths[start] ?? 0;
      if ((shape.padded ? texts * longest : tokens) > maxTokens && texts > 1) break;
      const total = (cost[start] ?? 0) + runCost + costOf(shape, texts, tokens, longest);
      if (total < (cost[end] ?? 0)) {
        cost[end] = total;
        startOf[end] = start;
      }
    }
  }
  const ends: number[] = [];
  for (let end = lengths.length; end > 0; end = startOf[end] ?? 0) ends.push(end);
  return ends.reverse();
}
