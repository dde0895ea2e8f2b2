import type { Item } from '../src/catalogue/item.js';
import type { Collection, Projection, VectorStore } from '../src/vectors/store.js';

/** `store` as one that gives of an item what it was asked for and nothing else, so that whoever asks for too little is found out. */
export function projecting(store: VectorStore): VectorStore {
  return { ...store, open: async (spec) => projectingCollection(await store.open(spec)) };
}

/** The same of a collection. */
export function projectingCollection(collection: Collection): Collection {
  return {
    ...collection,
    projects: true,
    fetch: async (ids, projection = 'all') => {
      const items = await collection.fetch(ids);
      return items.map((item) => (item === null ? null : projected(item, projection)));
    },
    search: async (queries, { items = [], ...options }) => {
      const results = await collection.search(queries, options);
      if (items.length === 0) return results;
      const brought = await collection.fetch(results.flat().map(({ id }) => id));
      const byId = new Map(brought.flatMap((item) => (item === null ? [] : [[item.id, item] as const])));
      return results.map((hits) =>
        hits.map((hit) => {
          const item = byId.get(hit.id);
          return item === undefined ? hit : { ...hit, item: () => projected(item, items) };
        }),
      );
    },
  };
}

function projected({ id, fields }: Item, projection: Projection): Item {
  if (projection === 'all') return { id, fields };
  const wanted = Object.entries(fields).filter(([field]) => projection.includes(field));
  return { id, fields: Object.fromEntries(wanted) };
}
