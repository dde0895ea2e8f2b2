import { createHash } from 'node:crypto';
import type { Catalogue } from './catalogue.js';
import type { Item } from './item.js';

/** Goes up when records are made differently from the same row, so that an import makes them anew. */
const FORMAT = 1;

/** What every record of a row is made from: hex SHA-256 of format, item and text. The key order of a json value does not matter. */
export function contentHash(item: Item, text: string): string {
  return sha256(canonical([FORMAT, item.id, item.fields, text]));
}

/** The hash of a record with a given vector. */
export function withVector(hash: string, vector: Float32Array): string {
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  return createHash('sha256').update(hash).update(bytes).digest('hex');
}

/** Names a catalogue: hex SHA-256 of all that it says. */
export function catalogueDigest(catalogue: Catalogue): string {
  return sha256(canonical(catalogue));
}

/** Names what of a catalogue decides vectors and columns: hex SHA-256 of entity, key, template and the fields' names, types and uses. */
export function schemaDigest({ entity, key, template, fields }: Catalogue): string {
  const columns = fields.map(({ name, type, uses }) => [name, type, [...uses].sort()]);
  return sha256(canonical([FORMAT, entity, key, template, columns.sort()]));
}

/** Hex SHA-256 of a text. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** JSON with the keys of all objects sorted. */
function canonical(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const object = value as Record<string, unknown>;
  const parts = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(object[key])}`);
  return `{${parts.join(',')}}`;
}
