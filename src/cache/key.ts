import { hash } from 'node:crypto';
import type { EmbedPurpose } from '../embedding/embedder.js';

/** Goes up with the format of keys or values, so that old and new processes share a server without reading each other's. */
const FORMAT = 2;

/** What a part of a key may hold as it is: no separator, nothing that Memcached or a terminal takes for a sign. */
const PLAIN = /^[A-Za-z0-9._-]{1,64}$/;

/** The key of a text within a cache: never an alias of the model, never the text itself. */
export function embeddingKey(digest: string, purpose: EmbedPurpose, text: string): string {
  return `${part(digest)}:${purpose}:${sha256(text)}`;
}

/** What stands before every key of `namespace` in a server that others use too; a whole key has at most 200 bytes. */
export function keyPrefix(namespace: string): string {
  return `kindred:${String(FORMAT)}:${part(namespace)}:`;
}

/** `text` as one part of a key. Two texts never give the same part: `~` begins digests only. */
function part(text: string): string {
  return PLAIN.test(text) ? text : `~${sha256(text)}`;
}

function sha256(text: string): string {
  return hash('sha256', text, 'base64url');
}
