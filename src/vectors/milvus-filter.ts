import { storedText } from './stored-text.js';
import type { FilterLeaf, TypedFilter } from './typed-filter.js';
import type { IndexedField } from './store.js';

/**
 * Compiles a checked filter into Milvus' boolean expressions. Servers before 2.5 have neither NULL nor bound values, so missing values
 * are stored as values that none can have (below), and literals are written so that no character of theirs can end them.
 *
 * | field | column | missing |
 * | --- | --- | --- |
 * | string | VarChar: `v` and the text | `''` |
 * | int, float, datetime | Double, exact for every safe integer | `-Infinity` |
 * | boolean | Int8: 0, 1 | -1 |
 * | strings | Array of VarChar | no element |
 */
export function compileExpression(filter: TypedFilter): string {
  if (filter.kind === 'leaf') return compileLeaf(filter.leaf, filter.field, filter.negated);
  if (filter.filters.length === 0) return filter.kind === 'and' ? TRUE : FALSE;
  return balanced(filter.filters.map(compileExpression), filter.kind);
}

/** Joins in a tree of pairs: Milvus reads `a or b or c` as `(a or b) or c`, and gives up at a depth of some 50. */
export function balanced(parts: readonly string[], operator: 'and' | 'or'): string {
  const [only = ''] = parts;
  if (parts.length <= 1) return only;
  const middle = Math.ceil(parts.length / 2);
  return `(${balanced(parts.slice(0, middle), operator)} ${operator} ${balanced(parts.slice(middle), operator)})`;
}

/** Matches every row; a lone `true` is none of the language's expressions. */
export const TRUE = 'id >= ""';
/** Matches no row. */
const FALSE = 'id in []';

/** The column of a catalogue field: the prefix keeps it apart from the store's own columns. */
export function columnName(field: string): string {
  return `f_${field}`;
}

/** `id in [...]` */
export function idIn(ids: readonly string[]): string {
  return `id in [${ids.map(textLiteral).join(', ')}]`;
}

/** Ids behind `id`, in the order of their UTF-8 bytes, which is that of query results too. */
export function idAfter(id: string): string {
  return `id > ${textLiteral(id)}`;
}

/** Bytes of UTF-8 that a text column holds of a value. */
const TEXT_BYTES = 60_000;

/** What a column holds of a text. */
export function columnText(value: string): string {
  return storedText(value, TEXT_BYTES);
}

/** Less than every number but -Infinity. */
const LOWEST = numberLiteral(-Number.MAX_VALUE);

function compileLeaf(leaf: FilterLeaf, field: IndexedField, negated: boolean): string {
  const column = columnName(field.name);
  switch (leaf.kind) {
    case 'eq':
      return `${column} ${negated ? '!=' : '=='} ${literal(leaf.value)}`;
    case 'in': {
      if (leaf.values.length === 0) return negated ? TRUE : FALSE;
      return `${column} ${negated ? 'not in' : 'in'} [${leaf.values.map(literal).join(', ')}]`;
    }
    case 'range':
      return compileRange(leaf, column, negated);
    case 'contains': {
      const has = `array_contains(${column}, ${textLiteral(columnText(leaf.value))})`;
      return negated ? `not ${has}` : has;
    }
    case 'exists':
      return compileExists(field, column, negated);
  }
}

function compileExists(field: IndexedField, column: string, negated: boolean): string {
  switch (field.type) {
    case 'string':
      return `${column} ${negated ? '==' : '!='} ""`;
    case 'boolean':
      return `${column} ${negated ? '==' : '!='} -1`;
    case 'strings':
      return `array_length(${column}) ${negated ? '==' : '!='} 0`;
    default:
      return `${column} ${negated ? '<' : '>='} ${LOWEST}`;
  }
}

/** A missing number is below every bound: a range without a lower one has to leave it out, and its negation to take it in. */
function compileRange(leaf: FilterLeaf & { kind: 'range' }, column: string, negated: boolean): string {
  const { gt, gte, lt, lte } = leaf;
  const bounds: [string, string, number | undefined][] = [
    ['>', '<=', gt],
    ['>=', '<', gte],
    ['<', '>=', lt],
    ['<=', '>', lte],
  ];
  const parts = bounds.flatMap(([inside, outside, bound]) =>
    bound === undefined ? [] : [`${column} ${negated ? outside : inside} ${numberLiteral(bound)}`],
  );
  if (gt === undefined && gte === undefined) parts.push(`${column} ${negated ? '<' : '>='} ${LOWEST}`);
  return `(${parts.join(negated ? ' or ' : ' and ')})`;
}

function literal(value: string | number | boolean): string {
  if (typeof value === 'string') return textLiteral(`v${columnText(value)}`);
  if (typeof value === 'number') return numberLiteral(value);
  return value ? '1' : '0';
}

/** A text of which every character that could mean something is an escape. */
export function textLiteral(text: string): string {
  const escaped = text.replace(/[^A-Za-z0-9 _]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xff_ff
      ? `\\U${code.toString(16).padStart(8, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return `"${escaped}"`;
}

/** The shortest digits that read back as the same float64, always as a float: an int literal would be compared as an int64. */
export function numberLiteral(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`expected a finite number, but got ${String(value)}`);
  const text = String(value + 0);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
