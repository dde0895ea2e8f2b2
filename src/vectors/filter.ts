/** A value that a filter compares with. Datetimes are epoch milliseconds (UTC). */
export type FilterValue = string | number | boolean;

/**
 * The typed filter that every store compiles for itself. Logic is two-valued: a leaf over a missing value is false, so `not` of it
 * is true. Field names come from the catalogue, never from a client.
 */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'eq'; readonly field: string; readonly value: FilterValue }
  | { readonly kind: 'in'; readonly field: string; readonly values: readonly FilterValue[] }
  | {
      readonly kind: 'range';
      readonly field: string;
      readonly gt?: number;
      readonly gte?: number;
      readonly lt?: number;
      readonly lte?: number;
    }
  /** The field, a list of strings, has `value` as one of its elements. */
  | { readonly kind: 'contains'; readonly field: string; readonly value: string }
  /** The field has a value (not null; for a list, at least one element). */
  | { readonly kind: 'exists'; readonly field: string };

/** The operators of filters, for a store's capabilities. */
export type FilterOperator = Filter['kind'];

/** All of them, which every store so far has. */
export const FILTER_OPERATORS: ReadonlySet<FilterOperator> = new Set([
  'and',
  'or',
  'not',
  'eq',
  'in',
  'range',
  'contains',
  'exists',
]);
