import { type AdoptedColumn, type AdoptedLayout, isInteger } from './milvus-adopted-layout.js';
import { balanced, numberLiteral, textLiteral } from './milvus-filter.js';
import type { FilterLeaf, TypedFilter } from './typed-filter.js';

/** The largest values of the integers that are smaller than any that filters know. */
const LARGEST: Readonly<Record<string, number>> = { Int8: 127, Int16: 32_767, Int32: 2_147_483_647 };

/**
 * Compiles a checked filter into Milvus' boolean expressions over the columns of a collection that somebody else made. Its values stand there
 * as they are. A column that can't be null has a value in every row; of one that can, a negation takes in the nulls.
 */
export function compileAdopted(filter: TypedFilter, layout: AdoptedLayout): string {
  const every = everyRow(layout);
  const none = `${layout.key.name} in []`;
  const visit = (node: TypedFilter): string => {
    if (node.kind !== 'leaf') {
      if (node.filters.length === 0) return node.kind === 'and' ? every : none;
      return balanced(node.filters.map(visit), node.kind);
    }
    const column = layout.columns.get(node.field.name);
    if (column === undefined) throw new TypeError(`expected a column of ${node.field.name}, but got none`);
    const found = leaf(node.leaf, column, node.negated);
    if (typeof found === 'string')
      return node.negated && column.nullable ? `(${found} or ${column.name} is null)` : found;
    if (found === node.negated) return found ? every : none;
    // What every value fits, or none does, still tells the rows that have one from those that have none.
    if (!column.nullable) return found ? every : none;
    return `${column.name} is ${node.negated ? '' : 'not '}null`;
  };
  return visit(filter);
}

/** Matches every row. */
export function everyRow({ key }: AdoptedLayout): string {
  return isInteger(key) ? `(${key.name} >= 0 or ${key.name} < 0)` : `${key.name} >= ""`;
}

/** Rows whose key is one of `ids`; undefined where no key can be. */
export function adoptedIdIn(ids: readonly string[], { key }: AdoptedLayout): string | undefined {
  const literals = isInteger(key)
    ? ids.filter((id) => /^(0|-?[1-9]\d{0,17})$/.test(id))
    : ids.map(textLiteral);
  return literals.length === 0 ? undefined : `${key.name} in [${literals.join(', ')}]`;
}

/** Rows whose key is behind `id`. */
export function adoptedIdAfter(id: string, { key }: AdoptedLayout): string {
  return `${key.name} > ${isInteger(key) ? String(BigInt(id)) : textLiteral(id)}`;
}

/** The expression of a leaf, negated or not; or what it is for every value alike. */
function leaf(node: FilterLeaf, column: AdoptedColumn, negated: boolean): string | boolean {
  switch (node.kind) {
    case 'eq':
      return among([node.value], column, negated);
    case 'in':
      return among(node.values, column, negated);
    case 'range':
      return range(node, column, negated);
    case 'contains':
      return `${negated ? 'not ' : ''}array_contains(${column.name}, ${textLiteral(node.value)})`;
    case 'exists':
      if (column.type.startsWith('Array of '))
        return `array_length(${column.name}) ${negated ? '==' : '!='} 0`;
      return !negated;
  }
}

function among(
  values: readonly (string | number | boolean)[],
  column: AdoptedColumn,
  negated: boolean,
): string | boolean {
  const literals = values
    .filter((value) => typeof value !== 'number' || fits(value, column))
    .map((value) => literal(value, column));
  if (literals.length === 0) return negated;
  // `in` takes no booleans.
  if (column.type === 'Bool')
    return balanced(
      literals.map((value) => `${column.name} ${negated ? '!=' : '=='} ${value}`),
      negated ? 'and' : 'or',
    );
  return `${column.name} ${negated ? 'not in' : 'in'} [${literals.join(', ')}]`;
}

/** Whether the column can hold the number. */
function fits(value: number, column: AdoptedColumn): boolean {
  const largest = LARGEST[column.type] ?? Number.MAX_SAFE_INTEGER;
  return !isInteger(column) || (Number.isInteger(value) && value <= largest && value >= -largest - 1);
}

function literal(value: string | number | boolean, column: AdoptedColumn): string {
  if (typeof value === 'string') return textLiteral(value);
  if (typeof value === 'boolean') return String(value);
  return isInteger(column) ? String(BigInt(value)) : numberLiteral(value);
}

function range(
  { gt, gte, lt, lte }: FilterLeaf & { kind: 'range' },
  column: AdoptedColumn,
  negated: boolean,
): string | boolean {
  const bounds: [string, string, number | undefined][] = isInteger(column)
    ? [
        ['>=', '<', gt === undefined ? undefined : Math.floor(gt) + 1],
        ['>=', '<', gte === undefined ? undefined : Math.ceil(gte)],
        ['<=', '>', lt === undefined ? undefined : Math.ceil(lt) - 1],
        ['<=', '>', lte === undefined ? undefined : Math.floor(lte)],
      ]
    : [
        ['>', '<=', gt],
        ['>=', '<', gte],
        ['<', '>=', lt],
        ['<=', '>', lte],
      ];
  const parts: string[] = [];
  for (const [inside, outside, bound] of bounds) {
    if (bound === undefined) continue;
    if (fits(bound, column)) {
      parts.push(`${column.name} ${negated ? outside : inside} ${literal(bound, column)}`);
      continue;
    }
    // Beyond what the column can hold: the bound leaves out every value, or none.
    const leavesOutAll = inside.startsWith('>') === bound > 0;
    if (leavesOutAll) return negated;
  }
  return parts.length === 0 ? !negated : `(${parts.join(negated ? ' or ' : ' and ')})`;
}
