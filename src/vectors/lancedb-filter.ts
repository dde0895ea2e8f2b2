import type { FilterLeaf, TypedFilter } from './typed-filter.js';

/**
 * Compiles a checked filter into LanceDB's SQL, the only way its SDK takes filters: it has no bound parameters. No character of a value
 * reaches the SQL: strings travel as the hex digits of their UTF-8 bytes, which the planner folds back into one literal (so scalar
 * indexes still serve), numbers by `sqlNumber`, and columns are those of the collection's spec.
 *
 * `NOT (...)` is never written: its parser takes exponential time in nested ones.
 */
export function compileSql(filter: TypedFilter): string {
  if (filter.kind === 'leaf') {
    const { leaf, field, negated } = filter;
    return compileLeaf(leaf, fieldColumn(field.name), negated);
  }
  if (filter.filters.length === 0) return filter.kind === 'and' ? 'true' : 'false';
  return `(${filter.filters.map(compileSql).join(filter.kind === 'and' ? ' AND ' : ' OR ')})`;
}

/** The column of a catalogue field: the prefix keeps it apart from the store's own columns and SQL's words. */
export function columnName(field: string): string {
  return `f_${field}`;
}

/** `id IN (...)`, or false for no ids. */
export function sqlIdIn(ids: readonly string[]): string {
  return ids.length === 0 ? 'false' : `id IN (${ids.map(sqlString).join(', ')})`;
}

function fieldColumn(field: string): string {
  return `\`${columnName(field)}\``;
}

function compileLeaf(leaf: FilterLeaf, column: string, negated: boolean): string {
  switch (leaf.kind) {
    case 'eq':
      return negated
        ? `(${column} <> ${literal(leaf.value)} OR ${column} IS NULL)`
        : `${column} = ${literal(leaf.value)}`;
    case 'in': {
      if (leaf.values.length === 0) return negated ? 'true' : 'false';
      const values = leaf.values.map(literal).join(', ');
      return negated ? `(${column} NOT IN (${values}) OR ${column} IS NULL)` : `${column} IN (${values})`;
    }
    case 'range':
      return compileRange(leaf, column, negated);
    case 'contains':
      return negated ? `(${arrayHas(column, leaf.value)} IS NOT TRUE)` : arrayHas(column, leaf.value);
    case 'exists':
      return `${column} IS ${negated ? '' : 'NOT '}NULL`;
  }
}

function arrayHas(column: string, value: string): string {
  return `array_has(${column}, ${sqlString(value)})`;
}

function compileRange(leaf: FilterLeaf & { kind: 'range' }, column: string, negated: boolean): string {
  const bounds: [string, string, number | undefined][] = [
    ['>', '<=', leaf.gt],
    ['>=', '<', leaf.gte],
    ['<', '>=', leaf.lt],
    ['<=', '>', leaf.lte],
  ];
  const parts = bounds.flatMap(([inside, outside, bound]) =>
    bound === undefined ? [] : [`${column} ${negated ? outside : inside} ${sqlNumber(bound)}`],
  );
  // Without bounds, a range asks only that there is a value; with them, comparing says so itself.
  return negated
    ? `(${[...parts, `${column} IS NULL`].join(' OR ')})`
    : `(${(parts.length === 0 ? [`${column} IS NOT NULL`] : parts).join(' AND ')})`;
}

function literal(value: string | number | boolean): string {
  if (typeof value === 'string') return sqlString(value);
  if (typeof value === 'number') return sqlNumber(value);
  return value ? '1' : '0';
}

/** A string as hex digits of its UTF-8 bytes. */
function sqlString(value: string): string {
  return `CAST(X'${Buffer.from(value, 'utf8').toString('hex')}' AS STRING)`;
}

/** The shortest digits that read back as the same float64. */
function sqlNumber(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`expected a finite number, but got ${String(value)}`);
  return String(value + 0);
}
