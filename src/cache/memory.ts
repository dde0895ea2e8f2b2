import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';
import type { CacheTier } from './tier.js';

/** Bytes that an entry takes beside its key and value: two objects, the places in lru-cache's lists, the strings' heads. */
const ENTRY_BYTES = 300;

export interface MemoryTierOptions {
  /** Bytes kept at most; the least recently used go first. */
  readonly maxBytes: number;
  /** Time that a value stays, in s. */
  readonly ttlSeconds: number;
}

/** What Keyv keeps of a value. */
interface Kept {
  readonly value: string;
}

/** Makes the tier in this process. */
export function createMemoryTier({ maxBytes, ttlSeconds }: MemoryTierOptions): CacheTier {
  const kept = new LRUCache<string, Kept>({
    maxSize: maxBytes,
    // Keys and values are ASCII, of which V8 keeps a byte a character.
    sizeCalculation: ({ value }, key) => key.length + value.length + ENTRY_BYTES,
  });
  // Keyv hands the time to live as a third argument to `set`, where lru-cache expects an object: so not the cache itself.
  const store = {
    get: (key: string) => kept.get(key),
    getMany: (keys: string[]) => keys.map((key) => kept.get(key)),
    set: (key: string, value: Kept) => kept.set(key, value),
    delete: (key: string) => kept.delete(key),
    clear: () => {
      kept.clear();
    },
  };
  // Keyv's default serialization to JSON is of no use within a process; a key is a whole one already.
  const keyv = new Keyv<string>({
    store,
    ttl: ttlSeconds * 1000,
    serialize: undefined,
    deserialize: undefined,
    useKeyPrefix: false,
  });
  return {
    name: 'memory',
    getMany: async (keys, maxBytes) => {
      const values: (string | undefined)[] = await keyv.getMany([...keys]);
      return values.map((value) => (value !== undefined && value.length <= maxBytes ? value : undefined));
    },
    setMany: async (entries) => {
      await keyv.setMany([...entries]);
    },
    flush: () => Promise.resolve(),
    stats: () =>
      Promise.resolve({
        tier: 'memory',
        reachable: true,
        entries: kept.size,
        bytes: kept.calculatedSize,
        maxBytes,
      }),
    close: () => {
      kept.clear();
      return Promise.resolve();
    },
  };
}
