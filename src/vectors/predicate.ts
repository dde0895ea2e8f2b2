import type { FilterLeaf, IndexedValue, TypedFilter } from './typed-filter.js';

/** Whether a row with these values by field name matches. */
export type Predicate = (values: ReadonlyMap<string, IndexedValue>) => boolean;

/** Compiles a checked filter into a function, for stores that hold their rows in memory. */
export function compilePredicate(filter: TypedFilter): Predicate {
  if (filter.kind === 'leaf') {
    const { leaf, field, negated } = filter;
    const matches = compileLeaf(leaf);
    return (values) => {
      const value = values.get(field.name) ?? null;
      return (value !== null && matches(value)) !== negated;
    };
  }
  const parts = filter.filters.map(compilePredicate);
  return filter.kind === 'and'
    ? (values) => parts.every((part) => part(values))
    : (values) => parts.some((part) => part(values));
}

function compileLeaf(leaf: FilterLeaf): (value: NonNullable<IndexedValue>) => boolean {
  switch (leaf.kind) {
    case 'eq':
      return (value) => value === leaf.value;
    case 'in': {
      const values = new Set<unknown>(leaf.values);
      return (value) => values.has(value);
    }
    case 'range': {
      const { gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity } = leaf;
      return (value) => typeof value === 'number' && value > gt && value >= gte && value < lt && value <= lte;
    }
    case 'contains':
      return (value) => Array.isArray(value) && value.includes(leaf.value);
    case 'exists':
      return () => true;
  }
}
