import type { Hit } from '../vectors/store.js';
import type { Window, WindowAnswer } from './window.js';

/** How many times longer each window is than the one before it. */
const GROWTH = 4;

/** Hits in the window that a first page of `first` hits comes from: `smallest`, twice, four times ... as many, and at least one more than the page. */
export function openingFor(first: number, smallest: number): number {
  let opening = smallest;
  while (opening <= first) opening *= 2;
  return opening;
}

/** Sizes of the windows that pages come from, until the whole one. One that is more than half of it is not worth a search of its own. */
export function windowSizes(opening: number, whole: number): number[] {
  const sizes: number[] = [];
  for (let size = opening; size * 2 <= whole; size *= GROWTH) sizes.push(size);
  return [...sizes, whole];
}

/**
 * A longer window that begins with the hits of the short one fetched before it: an approximate index asked for more may rank its first hits
 * otherwise, and those are on pages that were given out.
 */
export function continued(before: WindowAnswer, longer: WindowAnswer): Window {
  const first = new Set(before.window.hits.map(({ id }) => id));
  const hits: readonly Hit[] = [
    ...before.window.hits,
    ...longer.window.hits.filter(({ id }) => !first.has(id)),
  ];
  // They are fetched at the same time; one that was there already took none now.
  const most = (time: 'embedMs' | 'searchMs'): number =>
    Math.max(...[before, longer].map(({ window, computed }) => (computed ? window[time] : 0)));
  return {
    hits: hits.slice(0, Math.max(before.window.hits.length, longer.window.hits.length)),
    embedMs: most('embedMs'),
    searchMs: most('searchMs'),
  };
}
