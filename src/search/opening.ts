import type { Hit } from '../vectors/store.js';
import type { Window } from './window.js';

/**
 * A whole window that begins with the hits of the short one fetched before it: an approximate index asked for more may rank its first hits
 * otherwise, and those are on pages that were given out.
 */
export function continued(opening: Window, whole: Window): Window {
  const first = new Set(opening.hits.map(({ id }) => id));
  const hits: readonly Hit[] = [...opening.hits, ...whole.hits.filter(({ id }) => !first.has(id))];
  return {
    hits: hits.slice(0, Math.max(opening.hits.length, whole.hits.length)),
    embedMs: Math.max(opening.embedMs, whole.embedMs),
    searchMs: Math.max(opening.searchMs, whole.searchMs),
  };
}
