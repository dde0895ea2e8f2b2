import { LRUCache } from 'lru-cache';
import type { Item } from '../catalogue/item.js';
import { covers, union } from './projection.js';
import type { Collection, Projection } from './store.js';

export interface RememberedOptions {
  /** Items kept at most; the least recently used go first. */
  readonly maxItems: number;
  /** Time that an item stays, in ms: how late a reader may see what another process wrote. */
  readonly ttlMs: number;
}

/** An item as one read had it. */
interface Known {
  /** What the read asked for: of other fields nothing is known. */
  readonly fields: Projection;
  /** What a search brought along is read only when somebody asks for it. */
  item: Item | (() => Item);
}

/**
 * Keeps items that were fetched, or brought along by a search, for as long as the store itself may be late (`store.refreshMs`), so that a hot page costs no call: of a search
 * whose text and window are cached, fetching its ten items was three quarters of the CPU. Writes through this collection are seen at once.
 *
 * What is kept of an item comes from a single read, so no item has a title of before a write and a price of after it: where fields are missing, those
 * and the known ones are read together.
 */
export function remembered(collection: Collection, { maxItems, ttlMs }: RememberedOptions): Collection {
  // Where nothing is kept nothing is brought along either.
  if (ttlMs === 0)
    return {
      ...collection,
      search: (queries, options) => collection.search(queries, { ...options, items: [] }),
    };
  const items = new LRUCache<string, Known>({ max: maxItems, ttl: ttlMs });
  const recall = (id: string, wanted: Projection): Item | null => {
    const known = items.get(id);
    if (known === undefined || !covers(known.fields, wanted)) return null;
    if (typeof known.item === 'function') known.item = known.item();
    return known.item;
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
    fetch: async (ids, wanted = 'all') => {
      const known = ids.map((id) => recall(id, wanted));
      const missing = ids.filter((_, index) => known[index] === null);
      if (missing.length === 0) return known;
      const before = writes;
      const fields = missing.reduce<Projection>(
        (all, id) => union(all, items.peek(id)?.fields ?? []),
        wanted,
      );
      const found = await collection.fetch(missing, fields);
      if (writes === before) {
        for (const item of found) if (item !== null) items.set(item.id, { fields, item });
      }
      const fetched = found.values();
      return known.map((item) => item ?? fetched.next().value ?? null);
    },
    search: async (queries, options) => {
      const before = writes;
      const { items: fields = [] } = options;
      const results = await collection.search(queries, options);
      return results.map((hits) =>
        hits.map(({ id, score, item }) => {
          const known = items.peek(id)?.fields ?? [];
          const knowsMore = covers(known, fields) && !covers(fields, known);
          if (item !== undefined && writes === before && !knowsMore) items.set(id, { fields, item });
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
