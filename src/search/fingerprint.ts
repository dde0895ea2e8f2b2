import { createHash } from 'node:crypto';
import type { Filter } from '../vectors/filter.js';

/**
 * Names a query: equal parts, equal name. SHA-256 over the parts, each behind its length so that no two lists of parts read the same;
 * the first 16 bytes as hex.
 */
export function fingerprint(...parts: readonly (string | Float32Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes =
      typeof part === 'string'
        ? Buffer.from(part, 'utf8')
        : Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    hash.update(`${typeof part === 'string' ? 's' : 'v'}${bytes.length}:`).update(bytes);
  }
  return hash.digest('hex').slice(0, 32);
}

/** A filter as text in which the order of operands and of listed values makes no difference. */
export function canonicalFilter(filter: Filter | undefined): string {
  return filter === undefined ? '' : JSON.stringify(canonical(filter));
}

function canonical(filter: Filter): unknown[] {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return [filter.kind, ...sorted(filter.filters.map(canonical))];
    case 'not':
      return ['not', canonical(filter.filter)];
    case 'in':
      return ['in', filter.field, ...sorted(filter.values)];
    case 'range':
      return [
        'range',
        filter.field,
        filter.gt ?? null,
        filter.gte ?? null,
        filter.lt ?? null,
        filter.lte ?? null,
      ];
    case 'exists':
      return ['exists', filter.field];
    default:
      return [filter.kind, filter.field, filter.value];
  }
}

function sorted(values: readonly unknown[]): unknown[] {
  return values
    .map((value) => ({ value, text: JSON.stringify(value) }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    .map(({ value }) => value);
}
