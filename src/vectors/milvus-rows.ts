import { badInput } from '../errors.js';
import { columnName, columnText } from './milvus-filter.js';
import { type ItemColumn, type ItemColumns, splitItem } from './milvus-items.js';
import { type FieldData, columnData } from './milvus-proto.js';
import type { CollectionSpec, IndexedField, VectorRecord } from './store.js';
import { lexicalText } from './records.js';
import { type IndexedValue, filterableFields, indexedValue } from './typed-filter.js';

/** Bytes of an element that an array of texts takes. */
export const TEXT_MAX_BYTES = 65_535;
/** Pieces that an item's JSON is cut into at most: 4 MB. */
export const ITEM_MAX_PIECES = 64;
/** Elements of a list field at most. */
export const LIST_MAX_ELEMENTS = 4_096;
/** UTF-16 code units of a piece: at most three bytes each. */
const PIECE_UNITS = Math.floor(TEXT_MAX_BYTES / 3);

/** A row as the SDK's upsert takes it. */
export type MilvusRow = Record<string, string | number | number[] | string[]>;

/** What of a row depends on how its collection was made. */
export interface RowLayout {
  /** Whether it has words to search. */
  readonly lexical: boolean;
  /** The fields that have a column of their own. */
  readonly apart: readonly ItemColumn[];
}

/** A record as a row. Throws BAD_USER_INPUT where a value has another type than its field, or is more than a row holds. */
export function toRow(
  { item, vector, hash }: VectorRecord,
  spec: CollectionSpec,
  { lexical, apart }: RowLayout,
): MilvusRow {
  if (Buffer.byteLength(item.id, 'utf8') > TEXT_MAX_BYTES)
    throw badInput(`an id has ${String(TEXT_MAX_BYTES)} bytes at most`);
  const { columns, rest } = splitItem(item, apart);
  const json = pieces(rest);
  if (json.length > ITEM_MAX_PIECES)
    throw badInput(`an item has ${String(ITEM_MAX_PIECES * PIECE_UNITS)} characters of JSON at most`);
  return {
    id: item.id,
    hash,
    vector: Array.from(vector),
    item: json,
    ...columns,
    // What does not fit the column is not found by its words.
    ...(lexical && { text: pieces(lexicalText(item, spec) ?? '')[0] ?? '' }),
    ...Object.fromEntries(
      filterableFields(spec).map((field) => [columnName(field.name), cell(indexedValue(item, field), field)]),
    ),
  };
}

/** The records of an answer with the columns `id`, `hash`, `vector` and all of `items`. */
export function toRecords(
  columns: readonly FieldData[],
  dimension: number,
  items: ItemColumns,
): VectorRecord[] {
  const texts = (name: string): readonly string[] =>
    columnData(columns, name)?.scalars?.string_data?.data ?? [];
  const read = items.reader(columns, 'all');
  const floats = columnData(columns, 'vector')?.vectors?.float_vector?.data ?? [];
  const hashes = texts('hash');
  return texts('id').map((id, row) => ({
    item: read(id, row)?.() ?? { id, fields: {} },
    hash: hashes[row] ?? '',
    vector: Float32Array.from(floats.slice(row * dimension, (row + 1) * dimension)),
  }));
}

/** A text in pieces that fit a column; a pair of surrogates is never cut in two. */
function pieces(text: string): string[] {
  const parts: string[] = [];
  for (let from = 0; from < text.length;) {
    let to = Math.min(text.length, from + PIECE_UNITS);
    if (to < text.length && isHighSurrogate(text.charCodeAt(to - 1))) to -= 1;
    parts.push(text.slice(from, to));
    from = to;
  }
  return parts;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd8_00 && unit <= 0xdb_ff;
}

/** A value as its column holds it; see compileExpression for what a missing one is. */
function cell(value: IndexedValue, field: IndexedField): string | number | string[] {
  if (value === null) {
    if (field.type === 'string') return '';
    if (field.type === 'strings') return [];
    return field.type === 'boolean' ? -1 : -Infinity;
  }
  if (typeof value === 'string') return `v${columnText(value)}`;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'number') return value;
  if (value.length > LIST_MAX_ELEMENTS)
    throw badInput(`the list of "${field.name}" has ${String(LIST_MAX_ELEMENTS)} elements at most`);
  return value.map(columnText);
}
