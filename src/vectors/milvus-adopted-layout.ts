import type { FieldSchema } from '@zilliz/milvus2-sdk-node';
import { badInput } from '../errors.js';
import type { FieldType } from '../catalogue/catalogue.js';
import type { FieldValue, Item } from '../catalogue/item.js';
import type { ItemColumns } from './milvus-items.js';
import type { MilvusAdoption } from './milvus-options.js';
import { type FieldData, columnData, toNumber } from './milvus-proto.js';
import type { CollectionSpec, Projection } from './store.js';
import { filterableFields } from './typed-filter.js';

/** A column of a collection that somebody else made. */
export interface AdoptedColumn {
  readonly name: string;
  /** As Milvus names it, e.g. `Int64`. */
  readonly type: string;
  readonly nullable: boolean;
}

/** Where things stand in a collection that somebody else made. */
export interface AdoptedLayout {
  readonly collection: string;
  readonly key: AdoptedColumn;
  readonly vector: string;
  /** The column of each field of an item. */
  readonly columns: ReadonlyMap<string, AdoptedColumn>;
}

/** Types of columns that a field of the catalogue can be filtered by. */
const INTEGERS = ['Int8', 'Int16', 'Int32', 'Int64'];
const FILTERABLE: Record<Exclude<FieldType, 'json'>, readonly string[]> = {
  string: ['VarChar'],
  int: INTEGERS,
  float: ['Float', 'Double', ...INTEGERS],
  boolean: ['Bool'],
  datetime: ['Int64', 'Double'],
  strings: ['Array of VarChar'],
};
const READABLE = ['VarChar', 'Bool', 'Float', 'Double', 'JSON', ...INTEGERS];

/** The error for an operator whose collection does not fit what it is adopted for. */
export function adoptionError(collection: string, fault: string): Error {
  return badInput(`the collection ${collection} can't be adopted (store.milvus.adopt): ${fault}`);
}

/** Whether a column holds whole numbers. */
export function isInteger({ type }: AdoptedColumn): boolean {
  return INTEGERS.includes(type);
}

/** Finds the columns that `adoption` names. Throws BAD_USER_INPUT, saying what does not fit, where the collection can't serve `spec`. */
export function adoptedLayout(
  fields: readonly FieldSchema[],
  adoption: MilvusAdoption,
  spec: CollectionSpec,
): AdoptedLayout {
  const fault = (what: string): Error => adoptionError(adoption.collection, what);
  const key = fields.find(({ is_primary_key: primary }) => primary);
  if (key === undefined) throw fault('it has no primary key');
  const vector = fields.find(({ name }) => name === adoption.vector);
  if (vector?.data_type !== 'FloatVector') throw fault(`its field "${adoption.vector}" is no FloatVector`);
  const dimension = Number(vector.dim);
  if (dimension !== spec.dimension)
    throw fault(
      `it holds vectors of ${String(dimension)} dimensions, the model makes ${String(spec.dimension)}`,
    );
  const nameOf = new Map(Object.entries(adoption.fields).map(([field, column]) => [column, field]));
  const columns = new Map(
    fields
      .filter((field) => field !== key && field !== vector)
      .map(columnOf)
      .filter(({ type }) => READABLE.includes(type) || type.startsWith('Array of '))
      .map((column) => [nameOf.get(column.name) ?? column.name, column]),
  );
  for (const { name, type } of filterableFields(spec)) {
    const expected = FILTERABLE[type as Exclude<FieldType, 'json'>];
    const column = columns.get(name);
    if (column === undefined || !expected.includes(column.type))
      throw fault(
        `the field "${name}" wants a column of type ${expected.join(' or ')}, and it has ${column === undefined ? 'none' : `${column.name} of type ${column.type}`}`,
      );
  }
  return { collection: adoption.collection, key: columnOf(key), vector: vector.name, columns };
}

function columnOf(field: FieldSchema): AdoptedColumn {
  const { name, data_type: type, element_type: element, nullable = false } = field;
  return { name, type: type === 'Array' ? `Array of ${String(element)}` : type, nullable };
}

/** The columns of items that somebody else wrote; each field has one. */
export function adoptedItemColumns({ columns }: AdoptedLayout, spec: CollectionSpec): AdoptedItemColumns {
  const types = new Map(spec.fields.map(({ name, type }) => [name, type]));
  const wanted = (projection: Projection): [string, AdoptedColumn][] =>
    projection === 'all'
      ? [...columns]
      : projection.flatMap((field): [string, AdoptedColumn][] => {
          const column = columns.get(field);
          return column === undefined ? [] : [[field, column]];
        });
  return {
    projects: true,
    names: (projection) => wanted(projection).map(([, { name }]) => name),
    reader: (data, projection) => {
      const fields = wanted(projection).flatMap(([field, { name }]) => {
        const column = columnData(data, name);
        return column === undefined ? [] : [[field, column] as const];
      });
      return (id, row) => () => ({
        id,
        fields: Object.fromEntries(
          fields.map(([field, column]) => [field, adoptedValue(column, row, types.get(field))]),
        ),
      });
    },
  };
}

/** Those of {@link ItemColumns} whose reader has every item: none is elsewhere. */
interface AdoptedItemColumns extends ItemColumns {
  reader(data: readonly FieldData[], projection: Projection): (id: string, row: number) => () => Item;
}

/** The value of a field in `row`; times that are stored as epoch milliseconds become ISO 8601, as a catalogue's are. */
function adoptedValue(data: FieldData, row: number, type: FieldType | undefined): FieldValue {
  if (data.valid_data?.[row] === false) return null;
  const value = scalar(data.scalars ?? {}, row);
  return type === 'datetime' && typeof value === 'number' ? new Date(value).toISOString() : value;
}

function scalar(data: NonNullable<FieldData['scalars']>, row: number): FieldValue {
  const text = data.string_data?.data[row];
  if (text !== undefined) return text;
  const long = data.long_data?.data[row];
  if (long !== undefined) return toNumber(long);
  const json = data.json_data?.data[row];
  if (json !== undefined) return JSON.parse(Buffer.from(json).toString('utf8')) as FieldValue;
  const list = data.array_data?.data[row];
  if (list !== undefined) {
    const elements = (list.string_data ?? list.long_data ?? list.int_data ?? list.double_data)?.data ?? [];
    return elements.map((_, at) => scalar(list, at));
  }
  const plain = data.bool_data ?? data.int_data ?? data.double_data ?? data.float_data;
  return plain?.data[row] ?? null;
}

/** The key of each row, as a text whatever the key's type. */
export function adoptedIds(columns: readonly FieldData[], { key }: AdoptedLayout): string[] {
  const scalars = columnData(columns, key.name)?.scalars;
  return (scalars?.string_data?.data ?? scalars?.long_data?.data ?? []).map(String);
}
