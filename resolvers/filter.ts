import { filterFields } from '../schema/filter-fields.js';
import type { OrderedFilter, StringListFilter } from '../schema/field-filters.js';
import type { Catalogue, CatalogueField } from '../src/catalogue/catalogue.js';
import type { Config } from '../src/config.js';
import { badInput } from '../src/errors.js';
import type { Filter, FilterValue } from '../src/vectors/filter.js';

type FilterLimits = Pick<Config['limits'], 'filterDepth' | 'filterValues'>;

/** A filter input as GraphQL hands it over: checked against its type, so that only known fields are in it. */
interface FilterInput {
  readonly and?: readonly FilterInput[] | null;
  readonly or?: readonly FilterInput[] | null;
  readonly not?: FilterInput | null;
  readonly [field: string]: unknown;
}

/** The conditions on one field, of whatever type. */
type Conditions = OrderedFilter<FilterValue | Date> & StringListFilter;

/** Reads filter inputs of a catalogue as typed filters; undefined when nothing is asked. Throws FILTER_TOO_LARGE over its limits. */
export type FilterReader = (input: object | null | undefined, limits: FilterLimits) => Filter | undefined;

/** Makes the reader of a catalogue's filter inputs. */
export function createFilterReader(catalogue: Catalogue): FilterReader {
  const fields = filterFields(catalogue);
  return (input, limits) => {
    if (input === null || input === undefined) return undefined;
    let values = 0;
    const count = (added: number): void => {
      values += added;
      if (values > limits.filterValues) {
        throw badInput(
          `expected at most ${limits.filterValues} values in a filter, but got more`,
          'FILTER_TOO_LARGE',
        );
      }
    };

    const read = (node: FilterInput, depth: number): Filter => {
      if (depth > limits.filterDepth) {
        throw badInput(
          `expected a filter nested at most ${limits.filterDepth} deep, but got a deeper one`,
          'FILTER_TOO_LARGE',
        );
      }
      const parts: Filter[] = [];
      for (const field of fields) {
        const conditions = node[field.name] as Conditions | null | undefined;
        if (conditions === null || conditions === undefined) continue;
        parts.push(...readConditions(field, conditions, count));
      }
      const nested = (list: readonly FilterInput[]): Filter[] => {
        count(list.length);
        return list.map((each) => read(each, depth + 1));
      };
      if (node.and) parts.push(...nested(node.and));
      if (node.or) parts.push({ kind: 'or', filters: nested(node.or) });
      if (node.not) parts.push({ kind: 'not', filter: read(node.not, depth + 1) });
      const [only] = parts;
      return parts.length === 1 && only !== undefined ? only : { kind: 'and', filters: parts };
    };

    const filter = read(input as FilterInput, 1);
    return filter.kind === 'and' && filter.filters.length === 0 ? undefined : filter;
  };
}

function readConditions(
  { name: field }: CatalogueField,
  conditions: Conditions,
  count: (values: number) => void,
): Filter[] {
  const filters: Filter[] = [];
  const { eq, in: list, contains, containsAny, exists } = conditions;
  if (eq === null || contains === null) {
    throw badInput(`expected a value for ${field}, but got null; ask exists: false for items without one`);
  }
  if (eq !== undefined) filters.push({ kind: 'eq', field, value: scalar(eq) });
  if (list) filters.push({ kind: 'in', field, values: list.map(scalar) });
  const range = readRange(conditions);
  if (Object.keys(range).length > 0) filters.push({ kind: 'range', field, ...range });
  if (contains !== undefined) filters.push({ kind: 'contains', field, value: contains });
  if (containsAny) {
    filters.push({ kind: 'or', filters: containsAny.map((value) => ({ kind: 'contains', field, value })) });
  }
  if (exists === true) filters.push({ kind: 'exists', field });
  if (exists === false) filters.push({ kind: 'not', filter: { kind: 'exists', field } });
  count(filters.length + (list?.length ?? 0) + (containsAny?.length ?? 0));
  return filters;
}

function readRange(conditions: Conditions): Partial<Record<'gt' | 'gte' | 'lt' | 'lte', number>> {
  const range: Partial<Record<'gt' | 'gte' | 'lt' | 'lte', number>> = {};
  for (const bound of ['gt', 'gte', 'lt', 'lte'] as const) {
    const value = conditions[bound];
    if (value !== null && value !== undefined) range[bound] = Number(value);
  }
  return range;
}

/** Datetimes are epoch milliseconds in typed filters. */
function scalar(value: FilterValue | Date): FilterValue {
  return value instanceof Date ? value.getTime() : value;
}
