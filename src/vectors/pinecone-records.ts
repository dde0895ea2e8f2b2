import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { RecordMetadata, PineconeRecord } from '@pinecone-database/pinecone';
import { badInput } from '../errors.js';
import type { Item } from '../catalogue/item.js';
import { FILTER_BYTES, fieldKey } from './pinecone-filter.js';
import { storedText } from './stored-text.js';
import type { CollectionSpec, VectorRecord } from './store.js';
import { type IndexedValue, filterableFields, indexedValue } from './typed-filter.js';

/** Bytes of a record's metadata and characters of its id at most: https://docs.pinecone.io/reference/api/database-limits. */
const METADATA_BYTES = 40_960;
const ID_CHARACTERS = 512;
/** Bytes of an item from which it is compressed. */
const COMPRESS_BYTES = 4_096;

/** Metadata of ours beside the fields that filters name. */
export const HASH = 'hash';
const ITEM = 'item';
/** The id of an item, where the record's can't hold it. */
const ID = 'id';

/**
 * The id of a record: that of the item where Pinecone takes it (printable ASCII), else `~` and its base64url, and of ids too long for that
 * `~~` and a digest.
 */
export function recordId(id: string): string {
  if (/^[!-}][!-~]*$/.test(id) && id.length <= ID_CHARACTERS) return id;
  const encoded = `~${Buffer.from(id, 'utf8').toString('base64url')}`;
  return encoded.length <= ID_CHARACTERS ? encoded : `~~${createHash('sha256').update(id).digest('hex')}`;
}

/** The id of the item that a record is of; undefined where only its metadata know it. */
export function itemId(recordId: string): string | undefined {
  if (!recordId.startsWith('~')) return recordId;
  return recordId.startsWith('~~') ? undefined : Buffer.from(recordId.slice(1), 'base64url').toString('utf8');
}

/** A record as Pinecone takes it. Throws BAD_USER_INPUT where an item's value has another type than its field, or the item is too large. */
export function toRecord(
  { item, hash, vector }: VectorRecord,
  spec: CollectionSpec,
): PineconeRecord & { values: number[] } {
  const metadata: RecordMetadata = { [HASH]: hash, [ITEM]: packed(JSON.stringify(item.fields)) };
  const id = recordId(item.id);
  if (itemId(id) === undefined) metadata[ID] = item.id;
  for (const field of filterableFields(spec)) {
    const value = metadataValue(indexedValue(item, field));
    if (value !== null) metadata[fieldKey(field.name)] = value;
  }
  const bytes = Buffer.byteLength(JSON.stringify(metadata), 'utf8');
  if (bytes > METADATA_BYTES)
    throw badInput(
      `an item takes ${String(bytes)} bytes, compressed and with the fields that filters name: Pinecone keeps ${String(METADATA_BYTES)} of each`,
    );
  // Nine digits tell float32 numbers apart; as float64 they would have 17.
  return { id, values: Array.from(vector, (x) => Number(x.toPrecision(9))), metadata };
}

/** The record of what a fetch or query gave. */
export function fromRecord({ id, values = [], metadata = {} }: PineconeRecord): VectorRecord {
  return {
    item: toItem({ id, metadata }),
    hash: String(metadata[HASH]),
    vector: Float32Array.from(values),
  };
}

/** The item of a record with its metadata. */
export function toItem({ id, metadata = {} }: Pick<PineconeRecord, 'id' | 'metadata'>): Item {
  return {
    id: itemId(id) ?? String(metadata[ID]),
    fields: JSON.parse(unpacked(String(metadata[ITEM]))) as Item['fields'],
  };
}

function metadataValue(value: IndexedValue): string | number | boolean | string[] | null {
  if (typeof value === 'string') return storedText(value, FILTER_BYTES);
  if (Array.isArray(value)) return value.map((each: string) => storedText(each, FILTER_BYTES));
  return value as number | boolean | null;
}

/** JSON of an object begins with a brace; compressed it is base64, which has none. */
function packed(json: string): string {
  return json.length < COMPRESS_BYTES ? json : deflateRawSync(json).toString('base64');
}

function unpacked(text: string): string {
  return text.startsWith('{') ? text : inflateRawSync(Buffer.from(text, 'base64')).toString('utf8');
}
