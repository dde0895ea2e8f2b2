import type { CreateCollectionReq, FieldType as MilvusField } from '@zilliz/milvus2-sdk-node';
import { z } from 'zod';
import { FIELD_TYPES, type FieldType } from '../catalogue/catalogue.js';
import { badInput } from '../errors.js';
import { columnName } from './milvus-filter.js';
import type { MilvusOptions } from './milvus-options.js';
import { ITEM, itemColumnName } from './milvus-items.js';
import { ITEM_MAX_PIECES, LIST_MAX_ELEMENTS, TEXT_MAX_BYTES } from './milvus-rows.js';
import type { CollectionSpec, IndexedField } from './store.js';
import type { TextLanguage } from './text-language.js';
import { filterableFields } from './typed-filter.js';

/** What the description of a collection says of how it was made. */
const storedSpec = z.object({
  kindred: z.object({
    dimension: z.int().min(1),
    fields: z.array(z.object({ name: z.string(), type: z.enum(FIELD_TYPES) })),
    text: z.array(z.string()).optional(),
  }),
});

/** The spec that a collection was made from, by its description; undefined when Kindred did not make it. */
export function specOf(description: string, name: string): CollectionSpec | undefined {
  try {
    const { kindred } = storedSpec.parse(JSON.parse(description));
    return { name, ...kindred };
  } catch {
    return undefined;
  }
}

/** The sparse vectors of the words of a text, which Milvus makes by itself. */
export const WORDS = 'words';
export const TEXT = 'text';

/** Minor version of Milvus 2 from which it finds items by their words. */
const LEXICAL_FROM = 5;

/** Whether a server of `version` (as it tells it: `v2.5.4`) has full text search. One that tells none, as Milvus Lite, is taken at its newest. */
export function hasLexicalSearch(version: string): boolean {
  if (version === '') return true;
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > 2 || (major === 2 && minor >= LEXICAL_FROM);
}

/** Fields of a collection at most, by `proxy.maxFieldNum` and on Zilliz Cloud. */
const MAX_COLUMNS = 64;
/** Bytes of the JSON of a value whose type has no long ones; Milvus plans segments by what a column may hold. */
const SHORT_MAX_BYTES = 64;
/** Types whose values may be long. */
const LONG: ReadonlySet<FieldType> = new Set(['string', 'strings', 'json']);

/**
 * The collection of `spec`: `id`, `vector`, `hash`, a typed column a filterable field, a column a field of items, by which a search brings along what
 * was selected and no more, and `item` for what has none.
 */
export async function createRequest(
  spec: CollectionSpec,
  { partitionKey, textLanguage }: Pick<MilvusOptions, 'partitionKey' | 'textLanguage'>,
  lexical: boolean,
): Promise<CreateCollectionReq> {
  const { dimension, fields, text } = spec;
  // Only loaded where there is a Milvus, as everywhere.
  const { FunctionType } = await import('@zilliz/milvus2-sdk-node');
  if (partitionKey !== null && !fields.some(({ name, type }) => name === partitionKey && type === 'string'))
    throw badInput(
      `store.milvus.partitionKey: expected a filterable string field of the catalogue, but got ${partitionKey}`,
    );
  const texts = { element_type: 'VarChar', max_length: TEXT_MAX_BYTES } as const;
  const columns: MilvusField[] = [
    { name: 'id', data_type: 'VarChar', max_length: TEXT_MAX_BYTES, is_primary_key: true },
    { name: 'vector', data_type: 'FloatVector', dim: dimension },
    { name: 'hash', data_type: 'VarChar', max_length: TEXT_MAX_BYTES },
    { name: ITEM, data_type: 'Array', max_capacity: ITEM_MAX_PIECES, ...texts },
    ...filterableFields(spec).map((field) => ({
      ...column(field),
      ...(field.name === partitionKey && { is_partition_key: true }),
    })),
    ...(lexical ? textColumns(textLanguage) : []),
  ];
  return {
    collection_name: spec.name,
    description: JSON.stringify({ kindred: { dimension, fields, text } }),
    enable_dynamic_field: false,
    consistency_level: 'Bounded',
    fields: [...columns, ...itemColumns(spec, MAX_COLUMNS - columns.length)],
    ...(lexical && {
      functions: [
        {
          name: 'bm25',
          type: FunctionType.BM25,
          input_field_names: [TEXT],
          output_field_names: [WORDS],
          params: {},
        },
      ],
    }),
  };
}

/** Columns for as many fields of items as there is room for, those with long values first. */
function itemColumns({ itemFields = [] }: CollectionSpec, room: number): MilvusField[] {
  const long = itemFields.filter(({ type }) => LONG.has(type));
  const short = itemFields.filter(({ type }) => !LONG.has(type));
  return [...long, ...short].slice(0, Math.max(0, room)).map(({ name, type }) => ({
    name: itemColumnName(name),
    data_type: 'VarChar',
    max_length: LONG.has(type) ? TEXT_MAX_BYTES : SHORT_MAX_BYTES,
  }));
}

/** Words in lower case, without accents, as stems of `language` where there is one. */
function textColumns(language: TextLanguage | null): MilvusField[] {
  const stems = language === null ? [] : [{ type: 'stemmer', language: language.toLowerCase() }];
  return [
    {
      name: TEXT,
      data_type: 'VarChar',
      max_length: TEXT_MAX_BYTES,
      enable_analyzer: true,
      analyzer_params: { tokenizer: 'standard', filter: ['lowercase', 'asciifolding', ...stems] },
    },
    { name: WORDS, data_type: 'SparseFloatVector' },
  ];
}

function column({ name, type }: IndexedField): MilvusField {
  const base = { name: columnName(name) };
  switch (type) {
    case 'string':
      return { ...base, data_type: 'VarChar', max_length: TEXT_MAX_BYTES };
    case 'boolean':
      return { ...base, data_type: 'Int8' };
    case 'strings':
      return {
        ...base,
        data_type: 'Array',
        element_type: 'VarChar',
        max_length: TEXT_MAX_BYTES,
        max_capacity: LIST_MAX_ELEMENTS,
      };
    case 'int':
    case 'float':
    case 'datetime':
      return { ...base, data_type: 'Double' };
    case 'json':
      throw new TypeError('json fields have no column');
  }
}
