import { storedText } from './stored-text.js';
import type { FilterLeaf, TypedFilter } from './typed-filter.js';

/** A filter of Pinecone's language, which is JSON: nothing of a value can be taken for anything else. */
export type PineconeFilter = Readonly<Record<string, unknown>>;

/**
 * Compiles a checked filter; `true` fits every record, `false` none. A missing value is one that the record has no field for, and whether
 * `$ne` and `$nin` fit those is not promised: negations name it. https://docs.pinecone.io/guides/search/filter-by-metadata
 */
export function compileFilter(filter: TypedFilter): PineconeFilter | boolean {
  if (filter.kind === 'leaf') return compileLeaf(filter.leaf, fieldKey(filter.field.name), filter.negated);
  const parts = filter.filters.map(compileFilter);
  const all = filter.kind === 'and';
  if (parts.includes(!all)) return !all;
  const rest = parts.filter((part) => typeof part !== 'boolean');
  const [only] = rest;
  if (only === undefined) return all;
  return rest.length === 1 ? only : { [all ? '$and' : '$or']: rest };
}

/** The metadata of a catalogue field: the prefix keeps it apart from the store's own. */
export function fieldKey(field: string): string {
  return `f_${field}`;
}

function compileLeaf(leaf: FilterLeaf, key: string, negated: boolean): PineconeFilter | boolean {
  const is = (condition: PineconeFilter): PineconeFilter => ({ [key]: condition });
  const orMissing = (condition: PineconeFilter): PineconeFilter => ({
    $or: [is({ $exists: false }), is(condition)],
  });
  switch (leaf.kind) {
    case 'eq': {
      const value = stored(leaf.value);
      return negated ? orMissing({ $ne: value }) : is({ $eq: value });
    }
    case 'in': {
      if (leaf.values.length === 0) return negated;
      // Booleans are not among what `$in` takes.
      const [first] = leaf.values;
      if (typeof first === 'boolean') {
        const conditions = leaf.values.map((value) => is({ [negated ? '$ne' : '$eq']: value }));
        return negated ? { $or: [is({ $exists: false }), { $and: conditions }] } : { $or: conditions };
      }
      const values = leaf.values.map(stored);
      return negated ? orMissing({ $nin: values }) : is({ $in: values });
    }
    case 'contains': {
      // Of a list, `$in` fits when it has one of the values, `$nin` when it has none.
      const values = [stored(leaf.value)];
      return negated ? orMissing({ $nin: values }) : is({ $in: values });
    }
    case 'range':
      return compileRange(leaf, is, negated);
    case 'exists':
      return is({ $exists: !negated });
  }
}

function compileRange(
  { gt, gte, lt, lte }: FilterLeaf & { kind: 'range' },
  is: (condition: PineconeFilter) => PineconeFilter,
  negated: boolean,
): PineconeFilter {
  const bounds: [string, string, number | undefined][] = [
    ['$gt', '$lte', gt],
    ['$gte', '$lt', gte],
    ['$lt', '$gte', lt],
    ['$lte', '$gt', lte],
  ];
  const parts = bounds.flatMap(([inside, outside, bound]) =>
    bound === undefined ? [] : [is({ [negated ? outside : inside]: bound + 0 })],
  );
  return negated ? { $or: [is({ $exists: false }), ...parts] } : { $and: [is({ $exists: true }), ...parts] };
}

function stored(value: string | number | boolean): string | number | boolean {
  if (typeof value === 'string') return storedText(value, FILTER_BYTES);
  return typeof value === 'number' ? value + 0 : value;
}

/** Bytes of a text that filters compare: what Pinecone keeps of all metadata of a record is little. */
export const FILTER_BYTES = 512;
