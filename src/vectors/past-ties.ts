import type { Hit } from './store.js';

export interface PastTiesOptions {
  /** Hits asked for beyond the limit at first, and by how many times more with each further try. */
  readonly spare: number;
  readonly growth: number;
  /** Hits asked for at most. */
  readonly most: number;
}

/**
 * The best `limit` hits of each query, equals by id: asks `search` for more until the last hit is farther than the one at the limit, since then ids decide
 * between all equals. `search` answers at most as many hits a query as it is asked for, best first, equals by id.
 */
export async function pastTies(
  limit: number,
  { spare, growth, most }: PastTiesOptions,
  search: (asked: number) => Promise<Hit[][]>,
): Promise<Hit[][]> {
  for (let more = spare; ; more *= growth) {
    const asked = Math.min(most, limit + more);
    const results = await search(asked);
    const cut = results.some(
      (hits) => hits.length === asked && hits[asked - 1]?.score === hits[limit - 1]?.score,
    );
    if (!cut || asked === most) return results.map((hits) => hits.slice(0, limit));
  }
}
