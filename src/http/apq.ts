import Keyv from 'keyv';
import { LRUCache } from 'lru-cache';
import type { Config } from '../config.js';

/** Characters in all persisted queries together, at most. */
const MAX_CHARACTERS = 16_777_216;

/** The store of automatic persisted queries: in memory, bounded in entries and in size; the least recently used go first. */
export function createApqStore({ maxEntries, ttlSeconds }: Config['apq']): Keyv<string> {
  const entries = new LRUCache<string, string>({
    max: maxEntries,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (value, key) => key.length + value.length,
  });
  const store = {
    get: (key: string) => entries.get(key),
    set: (key: string, value: string) => void entries.set(key, value),
    delete: (key: string) => entries.delete(key),
    has: (key: string) => entries.has(key),
    clear: () => {
      entries.clear();
    },
  };
  return new Keyv<string>({ store, ttl: ttlSeconds * 1_000 });
}
