import {
  type DataType,
  type Vector,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int8,
  List,
  RecordBatch,
  Schema,
  Struct,
  Table,
  Utf8,
  makeData,
  makeVector,
  vectorFromArray,
} from 'apache-arrow';
import { z } from 'zod';
import { FIELD_TYPES } from '../catalogue/catalogue.js';
import type { Item } from '../catalogue/item.js';
import { columnName } from './lancedb-filter.js';
import { lexicalText } from './records.js';
import type { CollectionSpec, IndexedField, VectorRecord } from './store.js';
import { type IndexedValue, filterableFields, indexedValue } from './typed-filter.js';

/** Key in the schema's metadata under which a table keeps the spec that it was made from. */
const SPEC_KEY = 'kindred';

const storedSpec = z.object({
  dimension: z.int().min(1),
  fields: z.array(z.object({ name: z.string(), type: z.enum(FIELD_TYPES) })),
  text: z.array(z.string()).default([]),
});

/** The column that lexical search reads. */
export const TEXT_COLUMN = 'text';

/**
 * The table of a collection: `id`, `vector`, `hash`, `item` (JSON of all fields), `text` where there is lexical search, and a typed column
 * for each field that filters may name. Numbers and datetimes (epoch ms) are float64: every safe integer is exact, and comparisons mean the same as in JavaScript.
 */
export function tableSchema(spec: CollectionSpec): Schema {
  // Declares the key to Lance, which then sees when two processes insert the same id at once and lets the later one retry.
  const key = new Map([['lance-schema:unenforced-primary-key', 'true']]);
  return new Schema(
    [
      new Field('id', new Utf8(), false, key),
      new Field('vector', vectorType(spec.dimension), false),
      new Field('hash', new Utf8(), false),
      new Field('item', new Utf8(), false),
      ...(isLexical(spec) ? [new Field(TEXT_COLUMN, new Utf8(), true)] : []),
      ...filterableFields(spec).map((field) => new Field(columnName(field.name), columnType(field), true)),
    ],
    new Map([
      [SPEC_KEY, JSON.stringify({ dimension: spec.dimension, fields: spec.fields, text: spec.text })],
    ]),
  );
}

/** Whether a table of `spec` has words to search. */
export function isLexical({ text = [] }: CollectionSpec): boolean {
  return text.length > 0;
}

/** The spec that a table was made from; undefined when Kindred did not make it. */
export function specOf(schema: { metadata: Map<string, string> }, name: string): CollectionSpec | undefined {
  const text = schema.metadata.get(SPEC_KEY);
  if (text === undefined) return undefined;
  const parsed = storedSpec.safeParse(JSON.parse(text));
  return parsed.success ? { name, ...parsed.data } : undefined;
}

/** Records as an Arrow table. Throws BAD_USER_INPUT where an item's value has another type than its field. */
export function toArrow(records: readonly VectorRecord[], spec: CollectionSpec, schema: Schema): Table {
  const columns: Vector<DataType>[] = [
    texts(records.map(({ item }) => item.id)),
    vectorColumn(records, spec.dimension),
    texts(records.map(({ hash }) => hash)),
    texts(records.map(({ item }) => JSON.stringify(item.fields))),
    ...(isLexical(spec) ? [texts(records.map(({ item }) => lexicalText(item, spec)))] : []),
    ...filterableFields(spec).map((field) =>
      column(
        records.map(({ item }) => indexedValue(item, field)),
        field,
      ),
    ),
  ];
  const data = makeData({
    type: new Struct(schema.fields),
    length: records.length,
    nullCount: 0,
    children: columns.flatMap(({ data: chunks }) => chunks),
  });
  return new Table(schema, [new RecordBatch(schema, data)]);
}

/** The item of a row's `id` and `item` columns. */
export function toItem(id: string, json: string): Item {
  return { id, fields: JSON.parse(json) as Item['fields'] };
}

function vectorType(dimension: number): FixedSizeList {
  return new FixedSizeList(dimension, new Field('item', new Float32(), true));
}

function columnType(field: IndexedField): DataType {
  switch (field.type) {
    case 'string':
      return new Utf8();
    case 'boolean':
      return new Int8();
    case 'strings':
      return new List(new Field('item', new Utf8(), true));
    case 'int':
    case 'float':
    case 'datetime':
      return new Float64();
    case 'json':
      throw new TypeError('json fields have no column');
  }
}

/** Booleans are 0 and 1 in an int8 column: arrow writes a boolean column without any value in a way that Lance refuses. */
function column(values: readonly IndexedValue[], field: IndexedField): Vector<DataType> {
  const cells =
    field.type === 'boolean' ? values.map((value) => (value === null ? null : Number(value))) : values;
  return vectorFromArray(cells, columnType(field));
}

function texts(values: readonly (string | null)[]): Vector<DataType> {
  return vectorFromArray(values, new Utf8());
}

/** One contiguous copy of all vectors: building it value by value is 20 times slower. */
function vectorColumn(records: readonly VectorRecord[], dimension: number): Vector<DataType> {
  const floats = new Float32Array(records.length * dimension);
  for (const [row, { vector }] of records.entries()) floats.set(vector, row * dimension);
  const child = makeData({ type: new Float32(), length: floats.length, data: floats });
  return makeVector(makeData({ type: vectorType(dimension), length: records.length, child }));
}
