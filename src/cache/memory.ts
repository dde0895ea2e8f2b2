import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';

/** The part of Keyv that a cache of embeddings needs. */
export type EmbeddingCache = Pick<Keyv<string>, 'getMany' | 'setMany'>;

export interface MemoryCacheOptions {
  /** Values kept at most; the least recently used go first. */
  readonly maxEntries: number;
  /** Time that a value stays, in s. */
  readonly ttlSeconds: number;
}

/** Makes a bounded cache in this process. */
export function createMemoryCache({ maxEntries, ttlSeconds }: MemoryCacheOptions): Keyv<string> {
  const entries = new LRUCache<string, object>({ max: maxEntries });
  // Keyv hands the time to live as a third argument to `set`, where lru-cache expects an object: so not the cache itself.
  const store = {
    get: (key: string) => entries.get(key),
    set: (key: string, value: object) => entries.set(key, value),
    delete: (key: string) => entries.delete(key),
    clear: () => {
      entries.clear();
    },
  };
  // Keyv's default serialization to JSON is of no use within a process.
  return new Keyv<string>({ store, ttl: ttlSeconds * 1000, serialize: undefined, deserialize: undefined });
}
