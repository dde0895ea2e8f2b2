import { afterAll, beforeAll, expect } from 'vitest';
import type { FieldValue } from '../../src/catalogue/item.js';
import type { Filter } from '../../src/vectors/filter.js';
import type { Collection, CollectionSpec, VectorRecord, VectorStore } from '../../src/vectors/store.js';

/** How the suite gets at an adapter. */
export interface StoreUnderTest {
  /** A store over the same place each time, so that a second one sees what the first has written when it is persistent. */
  open(): VectorStore;
  /** Removes that place. */
  remove?(): void;
}

/** Fields of every type, with names that SQL would read as words or fold to lower case. */
export const FIELDS: CollectionSpec['fields'] = [
  { name: 'brand', type: 'string' },
  { name: 'order', type: 'string' },
  { name: 'camelCase', type: 'string' },
  { name: 'CAMELCASE', type: 'string' },
  { name: 'stock', type: 'int' },
  { name: 'price', type: 'float' },
  { name: 'inStock', type: 'boolean' },
  { name: 'released', type: 'datetime' },
  { name: 'tags', type: 'strings' },
  { name: 'extra', type: 'json' },
];

/** A unit vector `[dimension]` that `seed` decides. */
export function unitVector(seed: number, dimension = 8): Float32Array {
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  const vector = Float32Array.from({ length: dimension }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  const norm = Math.hypot(...vector);
  return vector.map((x) => x / norm);
}

/** A record with the given fields. */
export function record(
  id: string,
  fields: Record<string, FieldValue> = {},
  vector: Float32Array = unitVector(id.length),
  hash = `hash of ${id}`,
): VectorRecord {
  return { item: { id, fields }, vector, hash };
}

/** Opens the store of the tests around it before them, hands it over, and closes it behind them. */
export function useStore(
  make: () => StoreUnderTest,
  ready: (store: VectorStore, place: StoreUnderTest) => void,
): void {
  let close: () => Promise<void>;
  beforeAll(() => {
    const place = make();
    const store = place.open();
    close = async () => {
      await store.close();
      place.remove?.();
    };
    ready(store, place);
  });
  afterAll(() => close());
}

/** Collections of the store under test, for the suites of this folder. */
export interface Collections {
  readonly store: () => VectorStore;
  readonly place: () => StoreUnderTest;
  /** A new one each time; `over` changes its spec. */
  readonly open: (over?: Partial<CollectionSpec>) => Promise<Collection>;
  readonly filled: (records: readonly VectorRecord[]) => Promise<Collection>;
  /** Ids that match, in order; counting has to find as many. */
  readonly matching: (collection: Collection, filter: Filter) => Promise<string[]>;
}

/** Opens a store for the tests around it. */
export function useCollections(make: () => StoreUnderTest): Collections {
  let place: StoreUnderTest;
  let store: VectorStore;
  let next = 0;
  useStore(make, (opened, at) => {
    store = opened;
    place = at;
  });
  const open = (over: Partial<CollectionSpec> = {}): Promise<Collection> => {
    next += 1;
    const spec = { dimension: 8, fields: FIELDS, itemFields: FIELDS };
    return store.open({ name: `Test_${String(next)}`, ...spec, ...over });
  };
  return {
    store: () => store,
    place: () => place,
    open,
    filled: async (records) => {
      const collection = await open();
      await collection.upsert(records);
      return collection;
    },
    matching: async (collection, filter) => {
      const [hits = []] = await collection.search([unitVector(1)], { limit: 10_000, filter });
      expect(await collection.count(filter)).toBe(hits.length);
      return hits.map(({ id }) => id).sort();
    },
  };
}
