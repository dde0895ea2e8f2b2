/** What a session run may hold at most. */
export interface RunLimits {
  readonly maxTexts: number;
  /** Padding included. A single text above it runs alone. */
  readonly maxTokens: number;
}

/**
 * Cuts texts, given by their lengths in ascending order, into runs of neighbours so that the total cost (padded tokens plus
 * runCost a run) is the least possible: a shortest path over the cuts, O(texts x maxTexts). Returns where each run ends.
 */
export function partition(
  lengths: ArrayLike<number>,
  runCost: number,
  { maxTexts, maxTokens }: RunLimits,
): number[] {
  const cost = new Float64Array(lengths.length + 1);
  const startOf = new Uint32Array(lengths.length + 1);
  for (let end = 1; end <= lengths.length; end++) {
    const longest = lengths[end - 1] ?? 0;
    cost[end] = Infinity;
    for (let start = end - 1; start >= Math.max(0, end - maxTexts); start--) {
      const tokens = (end - start) * longest;
      if (tokens > maxTokens && end - start > 1) break;
      const total = (cost[start] ?? 0) + runCost + tokens;
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
