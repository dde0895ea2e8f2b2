import type { Projection } from './store.js';

/** Whether whoever has `fields` has all of `wanted`. */
export function covers(fields: Projection, wanted: Projection): boolean {
  if (fields === 'all') return true;
  return wanted !== 'all' && wanted.every((field) => fields.includes(field));
}

/** The fields of both. */
export function union(a: Projection, b: Projection): Projection {
  if (a === 'all' || b === 'all') return 'all';
  return covers(a, b) ? a : [...new Set([...a, ...b])].sort();
}
