import { badInput } from '../errors.js';
import type { Item } from '../catalogue/item.js';
import type { Filter, FilterValue } from './filter.js';
import type { CollectionSpec, IndexedField } from './store.js';

/** Deepest nesting of a filter that stores take: SQL parsers recurse, and some take exponential time. */
const MAX_DEPTH = 16;
/** Most values that a filter compares with, over all its leaves. */
const MAX_VALUES = 10_000;

/** A filter without `and`, `or` and `not`. */
export type FilterLeaf = Exclude<Filter, { readonly kind: 'and' | 'or' | 'not' }>;

/**
 * A checked filter in negation normal form: `not` stands at the leaves only, where a store can say "or the value is missing".
 * Without it, databases' three-valued logic would make `not` of a missing value false.
 */
export type TypedFilter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly TypedFilter[] }
  | {
      readonly kind: 'leaf';
      readonly leaf: FilterLeaf;
      readonly field: IndexedField;
      readonly negated: boolean;
    };

/** What a filter compares with: one row's value of a field; null when missing. Datetimes are epoch milliseconds. */
export type IndexedValue = string | number | boolean | readonly string[] | null;

/** The fields of `spec` that filters may name: all but `json` ones. */
export function filterableFields(spec: CollectionSpec): IndexedField[] {
  return spec.fields.filter((field) => field.type !== 'json');
}

/**
 * Checks `filter` against the fields and their types. Throws BAD_USER_INPUT: UNKNOWN_FIELD, FILTER_TOO_LARGE, BAD_TEXT, NOT_FINITE, or
 * without a reason where a value has another type than its field.
 */
export function typedFilter(filter: Filter, spec: CollectionSpec): TypedFilter {
  const fields = new Map(filterableFields(spec).map((field) => [field.name, field]));
  let values = 0;
  const visit = (node: Filter, negated: boolean, depth: number): TypedFilter => {
    if (depth > MAX_DEPTH)
      throw badInput(`a filter may be nested ${String(MAX_DEPTH)} deep`, 'FILTER_TOO_LARGE');
    switch (node.kind) {
      case 'not':
        return visit(node.filter, !negated, depth + 1);
      case 'and':
      case 'or':
        // De Morgan: not (a and b) = not a or not b.
        return {
          kind: (node.kind === 'and') === negated ? 'or' : 'and',
          filters: node.filters.map((child) => visit(child, negated, depth + 1)),
        };
      default: {
        const field = fields.get(node.field);
        if (field === undefined) throw unknownField(node.field, spec);
        values += node.kind === 'in' ? node.values.length : 1;
        if (values > MAX_VALUES) {
          throw badInput(`a filter may hold ${String(MAX_VALUES)} values`, 'FILTER_TOO_LARGE');
        }
        checkLeaf(node, field);
        return { kind: 'leaf', leaf: node, field, negated };
      }
    }
  };
  return visit(filter, false, 1);
}

function checkLeaf(leaf: FilterLeaf, field: IndexedField): void {
  switch (leaf.kind) {
    case 'eq':
      checkValue(leaf.value, field);
      return;
    case 'in':
      for (const value of leaf.values) checkValue(value, field);
      return;
    case 'range':
      if (!isNumeric(field)) throw mismatch(field, 'has no order to take a range of');
      for (const bound of [leaf.gt, leaf.gte, leaf.lt, leaf.lte]) {
        if (bound !== undefined) checkValue(bound, field);
      }
      return;
    case 'contains':
      if (field.type !== 'strings') throw mismatch(field, 'is not a list');
      checkText(leaf.value);
      return;
    case 'exists':
      return;
  }
}

function checkValue(value: FilterValue, field: IndexedField): void {
  switch (field.type) {
    case 'string':
      if (typeof value !== 'string') throw mismatch(field, 'wants a string');
      checkText(value);
      return;
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(field, 'wants a boolean');
      return;
    case 'int':
    case 'float':
    case 'datetime':
      if (typeof value !== 'number') throw mismatch(field, 'wants a number');
      if (!Number.isFinite(value)) throw badInput(`"${field.name}" wants a finite number`, 'NOT_FINITE');
      if (field.type === 'int' && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
        throw mismatch(field, 'wants a number within ±(2^53 - 1)');
      }
      return;
    case 'strings':
    case 'json':
      throw mismatch(field, 'can only be asked what it contains');
  }
}

function checkText(value: string): void {
  if (!isWellFormed(value)) throw badInput('the filter holds text that is not valid Unicode', 'BAD_TEXT');
}

/** Versions may have different fields, so GraphQL does not know which of them a filter may name. */
function unknownField(name: string, { fields }: CollectionSpec): Error {
  const known = fields.map((field) => field.name).join(', ') || 'none';
  return badInput(
    `expected a field that its collection has (${known}), but got ${name.slice(0, 64)}`,
    'UNKNOWN_FIELD',
  );
}

function mismatch(field: IndexedField, what: string): Error {
  return badInput(`the field "${field.name}" ${what}`);
}

function isNumeric(field: IndexedField): boolean {
  return field.type === 'int' || field.type === 'float' || field.type === 'datetime';
}

/** Whether `text` has no lone surrogate, which UTF-8 can't hold. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/**
 * The value of `field` in `item` as filters see it. An empty list is a missing value; -0 is 0. Throws BAD_USER_INPUT where the value
 * has another type.
 */
export function indexedValue(item: Item, field: IndexedField): IndexedValue {
  const value = item.fields[field.name] ?? null;
  if (value === null) return null;
  switch (field.type) {
    case 'string':
      if (typeof value === 'string') return value;
      break;
    case 'boolean':
      if (typeof value === 'boolean') return value;
      break;
    case 'int':
    case 'float':
      if (typeof value === 'number' && Number.isFinite(value)) return value + 0;
      break;
    case 'datetime': {
      const milliseconds = typeof value === 'string' ? Date.parse(value) : NaN;
      if (!Number.isNaN(milliseconds)) return milliseconds;
      break;
    }
    case 'strings':
      if (Array.isArray(value) && value.every((element) => typeof element === 'string')) {
        return value.length === 0 ? null : value;
      }
      break;
    case 'json':
      return null;
  }
  throw badInput(`an item's field "${field.name}" is not of type ${field.type}`);
}
