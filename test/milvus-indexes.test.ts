import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildParams, searchParams } from '../src/vectors/milvus-index.js';
import { createMilvusStore } from '../src/vectors/milvus.js';
import { MILVUS_INDEXES, type MilvusIndexType } from '../src/vectors/milvus-options.js';
import { loadConfig } from '../src/config.js';
import type { Collection, VectorStore } from '../src/vectors/store.js';
import { record, unitVector } from './conformance/harness.js';
import { type Milvus, milvusOptions, skipMilvus, startMilvus } from './milvus.js';

const DIMENSION = 32;
const ROWS = 3_000;
const vectors = Array.from({ length: ROWS }, (_, at) => unitVector(at, DIMENSION));

/** The index of the config when its type alone is chosen. */
const indexOf = (type: MilvusIndexType) =>
  loadConfig({ env: {}, flags: { 'store.milvus.index.type': type } }).store.milvus.index;

describe('parameters of an index of Milvus', () => {
  it.each(MILVUS_INDEXES)('of %s look at no fewer candidates than hits are wanted', (type) => {
    const [few, many] = [searchParams(indexOf(type), 1), searchParams(indexOf(type), 1_001)];
    expect(Object.keys(many)).toEqual(Object.keys(few));
    for (const name of ['ef', 'search_list', 'itopk_size'])
      if (name in many) expect(many[name]).toBeGreaterThanOrEqual(1_001);
    if (type === 'GPU_CAGRA') expect(many.itopk_size).toBe(1_024);
    if (type === 'IVF_FLAT') expect(many.nprobe).toBe(251);
  });

  it('are those of the config before those of the type', () => {
    const index = { ...indexOf('HNSW'), params: { M: 8 }, searchParams: { ef: 999, x: 'y' } };
    expect(buildParams(index)).toEqual({ M: 8, efConstruction: 200 });
    expect(searchParams(index, 10)).toEqual({ ef: 999, x: 'y' });
  });
});

const skip = skipMilvus();

describe.skipIf(skip !== undefined)(
  `indexes of the real Milvus${skip === undefined ? '' : ` (${skip})`}`,
  () => {
    let milvus: Milvus;
    const stores: VectorStore[] = [];
    const open = (type: MilvusIndexType): Promise<Collection> => {
      const store = createMilvusStore(milvusOptions(milvus, { index: indexOf(type) }));
      stores.push(store);
      return store.open({ name: `Index_${type}`, dimension: DIMENSION, fields: [] });
    };
    beforeAll(async () => {
      milvus = await startMilvus();
    });
    afterAll(async () => {
      for (const store of stores) await store.close();
      await milvus.close();
    });

    const fill = (collection: Collection): Promise<void> =>
      collection.upsert(vectors.map((vector, at) => record(`r${String(at)}`, {}, vector)));

    it.each(['HNSW', 'IVF_FLAT', 'FLAT', 'AUTOINDEX'] as const)(
      '%s, chosen by its type alone, is built and finds the nearest',
      async (type) => {
        const collection = await open(type);
        await fill(collection);
        await collection.optimize();
        const asked = Array.from({ length: 50 }, (_, at) => at * 50);
        const found = await collection.search(
          asked.map((at) => vectors[at] ?? new Float32Array(DIMENSION)),
          { limit: 10 },
        );
        const first = found.filter(([hit], at) => hit?.id === `r${String(asked[at])}`).length;
        expect(first).toBeGreaterThanOrEqual(45);
        const [all = []] = await collection.search([unitVector(9, DIMENSION)], { limit: 1_000 });
        expect(all).toHaveLength(1_000);
      },
    );

    // The package's server never builds it (`optimize` would wait until `loadTimeoutMs`), but takes its parameters.
    it('DISKANN is taken as the index, and searched with its parameters', async () => {
      const collection = await open('DISKANN');
      await fill(collection);
      const [hits = []] = await collection.search([unitVector(9, DIMENSION)], { limit: 1_000 });
      expect(hits).toHaveLength(1_000);
      expect(hits[0]?.id).toBe('r9');
    });

    it('GPU_CAGRA on a server without it is refused as the index', async () => {
      await expect(open('GPU_CAGRA')).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    });
  },
);
