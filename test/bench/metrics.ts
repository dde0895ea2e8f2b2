/**
 * Normalised discounted cumulative gain at `k` with gain 2^rating - 1 and discount log2(rank + 1) (Burges et al. 2005).
 * `ratings` stand in ranked order and hold every judged result; null when none of them is relevant.
 */
export function ndcg(ratings: readonly number[], k: number): number | null {
  const dcg = (list: readonly number[]): number =>
    list.slice(0, k).reduce((sum, rating, index) => sum + (2 ** rating - 1) / Math.log2(index + 2), 0);
  const ideal = dcg([...ratings].sort((a, b) => b - a));
  return ideal === 0 ? null : dcg(ratings) / ideal;
}

/** Share of queries with a right result among their first `k`. */
export function hitRate(
  ranked: readonly { results: readonly string[]; relevant: ReadonlySet<string> }[],
  k: number,
): number {
  const hits = ranked.filter(({ results, relevant }) => results.slice(0, k).some((id) => relevant.has(id)));
  return hits.length / ranked.length;
}

/** The mean of `values`. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
