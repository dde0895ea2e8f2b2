import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../src/vectors/memory.js';
import { migrate } from '../src/vectors/migrate.js';
import type { MilvusBulk } from '../src/vectors/milvus-options.js';
import { createMilvusStore } from '../src/vectors/milvus.js';
import type { Collection, VectorRecord, VectorStore } from '../src/vectors/store.js';
import { FIELDS, record, unitVector } from './conformance/harness.js';
import { type Milvus, milvusOptions, skipMilvus, startMilvus } from './milvus.js';

const skip = skipMilvus();
const { signal } = new AbortController();

describe.skipIf(skip !== undefined)(
  `bulk import of the real Milvus${skip === undefined ? '' : ` (${skip})`}`,
  () => {
    let milvus: Milvus;
    let folder: string;
    let next = 0;
    /** `text`, in part too long for it, and `extra` have columns of their own. */
    const itemFields = [...FIELDS, { name: 'text', type: 'string' as const }];
    const stores: VectorStore[] = [];
    const open = (bulk: Partial<MilvusBulk>): Promise<Collection> => {
      const store = createMilvusStore(
        milvusOptions(milvus, { bulk: { folder, path: null, fromRows: 100, ...bulk } }),
      );
      stores.push(store);
      next += 1;
      return store.open({ name: `Bulk_${String(next)}`, dimension: 8, fields: FIELDS, itemFields });
    };
    const sourceOf = async (records: readonly VectorRecord[]): Promise<Collection> => {
      const source = await createMemoryStore().open({ name: 'Source', dimension: 8, fields: FIELDS });
      await source.upsert(records);
      return source;
    };
    /** Every third row misses its numbers. */
    const records = Array.from({ length: 600 }, (_, i) =>
      record(
        `r "${String(i)}" 😀`,
        i % 3 === 0
          ? { brand: `brand ${String(i % 7)}` }
          : {
              brand: i % 5 === 0 ? null : `brand ${String(i % 7)}`,
              stock: i,
              price: i / 7,
              inStock: i % 2 === 0,
              released: new Date(i * 1e9).toISOString(),
              tags: i % 4 === 0 ? [] : ['a', `"${String(i % 10)}"`],
              extra: { deep: [i] },
              text: 'x'.repeat(i % 10 === 0 ? 80_000 : 10),
            },
        unitVector(i),
      ),
    );

    beforeAll(async () => {
      milvus = await startMilvus();
      folder = mkdtempSync(join(tmpdir(), 'kindred-bulk-'));
    });
    afterAll(async () => {
      for (const store of stores) await store.close();
      await milvus.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it('loads an empty collection with the same rows as upserts do, and leaves no file', async () => {
      const target = await open({});
      const told: number[] = [];
      const summary = await migrate(await sourceOf(records), target, {
        signal,
        onProgress: ({ written }) => told.push(written),
      });
      expect(summary).toEqual({ total: 600, read: 600, written: 600, extra: 0 });
      // All were written when the second pass, which looks for what is missing, began.
      expect(told[0]).toBe(600);
      expect(readdirSync(folder)).toEqual([]);
      const ids = records.map(({ item }) => item.id);
      expect(await target.fetch(ids)).toEqual(records.map(({ item }) => item));
      expect(await target.vectors(ids)).toEqual(records.map(({ vector }) => vector));
      expect(await target.hashes(ids)).toEqual(records.map(({ hash }) => hash));
      const reference = await sourceOf(records);
      for (const filter of [
        { kind: 'exists', field: 'stock' },
        { kind: 'not', filter: { kind: 'exists', field: 'brand' } },
        { kind: 'range', field: 'price', lt: 40 },
        { kind: 'contains', field: 'tags', value: '"3"' },
        { kind: 'not', filter: { kind: 'eq', field: 'inStock', value: true } },
      ] as const)
        expect(await target.count(filter)).toBe(await reference.count(filter));
      expect(await target.search([unitVector(7)], { limit: 1 })).toMatchObject([[{ id: ids[7] }]]);
    });

    it('goes by upserts where rows are there already, or few', async () => {
      const target = await open({});
      await target.upsert(records.slice(0, 1));
      expect(await migrate(await sourceOf(records), target, { signal })).toMatchObject({ written: 599 });
      expect(await target.count()).toBe(600);
      const few = await open({ fromRows: 1_000 });
      expect(await migrate(await sourceOf(records), few, { signal })).toMatchObject({ written: 600 });
    });

    it('fails typed where Milvus does not find the file, and loads when it does', async () => {
      const lost = await open({ path: '/nowhere' });
      await expect(migrate(await sourceOf(records), lost, { signal })).rejects.toMatchObject({
        code: 'UPSTREAM_UNAVAILABLE',
      });
      expect(readdirSync(folder)).toEqual([]);
      const store = createMilvusStore(
        milvusOptions(milvus, { bulk: { folder, path: `${folder}/`, fromRows: 100 } }),
      );
      stores.push(store);
      const again = await store.open(lost.spec);
      expect(await migrate(await sourceOf(records), again, { signal })).toMatchObject({ extra: 0 });
      expect(await again.count()).toBe(600);
    });
  },
);
