import type { Item } from '../catalogue/item.js';
import { type FieldData, columnData } from './milvus-proto.js';
import type { Projection } from './store.js';

/** The column of a field of items: the prefix keeps it apart from the store's own columns and those of filters. */
const PREFIX = 'item_';
/** The column of what no other has: JSON of an object, in pieces. */
export const ITEM = 'item';
/** Stands in the column of a value that is too long for it, and so in `item`. Nothing that JSON can be. */
const ELSEWHERE = '~';

/** A field of items that has a column of its own: VarChar with the value's JSON, empty where there is none. */
export interface ItemColumn {
  readonly field: string;
  /** Bytes that the column holds. */
  readonly bytes: number;
}

/** Where the fields of items are in a collection. */
export interface ItemColumns {
  /** Whether there is more than one column to choose from. */
  readonly projects: boolean;
  /** The columns to read for `projection`; none for no fields. */
  names(projection: Projection): string[];
  /**
   * Reads items out of the columns of an answer that was asked for {@link names}; what is answered parses when it is called. Undefined for an item of
   * which a value is in a column that was not asked for: only {@link Projection} `all` has everything.
   */
  reader(
    data: readonly FieldData[],
    projection: Projection,
  ): (id: string, row: number) => (() => Item) | undefined;
}

/** The column of a field. */
export function itemColumnName(field: string): string {
  return `${PREFIX}${field}`;
}

/** Which of a collection's columns are those of fields. None in one that was made before there were any: its items are whole in `item`. */
export function itemColumnsOf(
  columns: readonly { readonly name: string; readonly max_length?: unknown }[],
): ItemColumn[] {
  return columns.flatMap(({ name, max_length: bytes }) =>
    name.startsWith(PREFIX) ? [{ field: name.slice(PREFIX.length), bytes: Number(bytes) }] : [],
  );
}

/** An item as its columns hold it: those of its fields, and the JSON of what is left, empty where nothing is. */
export function splitItem(
  { fields }: Item,
  apart: readonly ItemColumn[],
): { readonly columns: Readonly<Record<string, string>>; readonly rest: string } {
  const columns: Record<string, string> = {};
  const rest = { ...fields };
  for (const { field, bytes } of apart) {
    const value = fields[field];
    const json = value === undefined ? '' : JSON.stringify(value);
    const fits = json.length * 3 <= bytes || Buffer.byteLength(json, 'utf8') <= bytes;
    columns[itemColumnName(field)] = fits ? json : ELSEWHERE;
    if (fits) Reflect.deleteProperty(rest, field);
  }
  return { columns, rest: Object.keys(rest).length === 0 ? '' : JSON.stringify(rest) };
}

/** The columns of items that Kindred wrote. */
export function createItemColumns(apart: readonly ItemColumn[]): ItemColumns {
  const known = new Set(apart.map(({ field }) => field));
  const all = [...known];
  const own = (projection: Projection): readonly string[] =>
    projection === 'all' ? all : projection.filter((field) => known.has(field));
  const others = (projection: Projection): boolean =>
    projection === 'all' || projection.some((field) => !known.has(field));
  return {
    projects: apart.length > 0,
    names: (projection) => [...own(projection).map(itemColumnName), ...(others(projection) ? [ITEM] : [])],
    reader: (data, projection) => {
      const texts = own(projection).map(
        (field) =>
          [field, columnData(data, itemColumnName(field))?.scalars?.string_data?.data ?? []] as const,
      );
      const pieces = others(projection)
        ? (columnData(data, ITEM)?.scalars?.array_data?.data ?? [])
        : undefined;
      return (id, row) => {
        if (pieces === undefined && texts.some(([, values]) => values[row] === ELSEWHERE)) return undefined;
        return () => {
          const rest = pieces?.[row]?.string_data?.data.join('') ?? '';
          const apartOnes = texts.flatMap(([field, values]) => {
            const json = values[row] ?? '';
            return json === '' || json === ELSEWHERE ? [] : [[field, JSON.parse(json) as unknown]];
          });
          const fields = {
            ...(rest === '' ? {} : (JSON.parse(rest) as Item['fields'])),
            ...(Object.fromEntries(apartOnes) as Item['fields']),
          };
          return { id, fields };
        };
      };
    },
  };
}
