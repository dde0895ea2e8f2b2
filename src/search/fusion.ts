import type { Hit } from '../vectors/store.js';
import { rankHits } from './ranking.js';

/** One ranking that goes into a fusion. */
export interface Ranking {
  /** Best first, each id once. */
  readonly hits: readonly Hit[];
  /** How much it counts beside the others; 0 for not at all. */
  readonly weight: number;
}

/**
 * Fuses rankings by reciprocal rank (Cormack, Clarke & Büttcher 2009, https://doi.org/10.1145/1571941.1572114): an item scores the sum of
 * `weight / (rankConstant + rank)` over the rankings that it stands in, ranks counted from 1. Scores of the rankings play no part, so a cosine and
 * a BM25 score need no common scale. Equals by id.
 */
export function fuse(rankings: readonly Ranking[], rankConstant: number): Hit[] {
  const scores = new Map<string, number>();
  for (const { hits, weight } of rankings) {
    if (weight === 0) continue;
    for (const [index, { id }] of hits.entries())
      scores.set(id, (scores.get(id) ?? 0) + weight / (rankConstant + index + 1));
  }
  return rankHits(Array.from(scores, ([id, score]) => ({ id, score })));
}
