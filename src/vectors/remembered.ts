import { LRUCache } from 'lru-cache';
import type { Item } from '../catalogue/item.js';
import type { Collection } from './store.js';

export interface RememberedOptions {
  /** Items kept at most; the least recently used go first. */
  readonly maxItems: number;
  /** Time that an item stays, in ms: how late a reader may see what another process wrote. */
  readonly ttlMs: number;
}

/**
 * Keeps items that were fetched, or brought along by a search, for as long as the store itself may be late (`store.refreshMs`), so that a hot page costs no call: of a search
 * whose text and window are cached, fetching its ten items was three quarters of the CPU. Writes through this collection are seen at once.
 */
export function remembered(collection: Collection, { maxItems, ttlMs }: RememberedOptions): Collection {
  // Where nothing is kept nothing is brought along either.
  if (ttlMs === 0)
    return {
      ...collection,
      search: (queries, options) => collection.search(queries, { ...options, items: false }),
    };
  // What a search brought along is read only when somebody asks for it.
  const items = new LRUCache<string, Item | (() => Item)>({ max: maxItems, ttl: ttlMs });
  const recall = (id: string): Item | null => {
    const known = items.get(id);
    if (typeof known !== 'function') return known ?? null;
    const item = known();
    items.set(id, item, { noUpdateTTL: true });
    return item;
  };
  /** Counts writes: a fetch that one overtook must not bring back what was there before. */
  let writes = 0;
  const forget = async <T>(ids: readonly string[], write: Promise<T>): Promise<T> => {
    try {
      return await write;
    } finally {
      writes += 1;
      for (const id of ids) items.delete(id);
    }
  };
  return {
    ...collection,
    fetch: async (ids) => {
      const known = ids.map(recall);
      const missing = ids.filter((_, index) => known[index] === null);
      if (missing.length === 0) return known;
      const before = writes;
      const found = await collection.fetch(missing);
      if (writes === before) {
        for (const item of found) if (item !== null) items.set(item.id, item);
      }
      const fetched = found.values();
      return known.map((item) => item ?? fetched.next().value ?? null);
    },
    search: async (queries, options) => {
      const before = writes;
      const results = await collection.search(queries, options);
      return results.map((hits) =>
        hits.map(({ id, score, item }) => {
          if (item !== undefined && writes === before) items.set(id, item);
          return { id, score };
        }),
      );
    },
    upsert: (records) =>
      forget(
        records.map(({ item }) => item.id),
        collection.upsert(records),
      ),
    delete: (ids) => forget(ids, collection.delete(ids)),
  };
}
