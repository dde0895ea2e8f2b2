import type { Hit } from '../vectors/store.js';

/** Hits best first; those with the same score by id, so that the order never depends on the store. */
export function rankHits(hits: readonly Hit[]): Hit[] {
  return [...hits].sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}
