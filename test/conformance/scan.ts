import { describe, expect, it } from 'vitest';
import type { Collection, ScanOptions, VectorRecord, VectorStore } from '../../src/vectors/store.js';
import { type StoreUnderTest, record, unitVector, useStore } from './harness.js';

/** What every store must do for those who read a collection from end to end. */
export function describeScan(name: string, make: () => StoreUnderTest): void {
  describe(`${name} as a store that is read from end to end`, () => {
    let store: VectorStore;
    let next = 0;
    const filled = async (records: readonly VectorRecord[]): Promise<Collection> => {
      next += 1;
      const collection = await store.open({
        name: `Scan_${String(next)}`,
        dimension: 8,
        fields: [{ name: 'stock', type: 'int' }],
      });
      await collection.upsert(records);
      return collection;
    };
    const batches = async (collection: Collection, options: ScanOptions): Promise<VectorRecord[][]> => {
      const all: VectorRecord[][] = [];
      for await (const batch of collection.scan(options)) all.push(batch);
      return all;
    };
    const hard = [
      '',
      ' ',
      "o'neil",
      '"',
      'back\\slash',
      'ünï',
      '😀',
      'é',
      'e\u0301',
      'Z',
      'a',
      'aa',
      '\uFFEE',
    ];
    const records = [...hard, ...Array.from({ length: 95 }, (_, at) => `id ${String(at)}`)].map((id, at) =>
      record(id, { stock: at, deep: { list: [1, null] } }, unitVector(at)),
    );

    useStore(make, (opened) => {
      store = opened;
    });

    it('gives every record once, whole, in batches', async () => {
      const collection = await filled(records);
      for (const batch of [1, 7, 108, 5_000]) {
        const all = await batches(collection, { batch });
        expect(Math.max(...all.map(({ length }) => length))).toBeLessThanOrEqual(batch);
        const byId = new Map(all.flat().map((each) => [each.item.id, each]));
        expect(all.flat()).toHaveLength(records.length);
        for (const each of records) expect(byId.get(each.item.id)).toEqual(each);
      }
    });

    it('goes on behind any id, also one that has gone since', async () => {
      const collection = await filled(records);
      const ids = (await batches(collection, { batch: 10 })).flat().map(({ item }) => item.id);
      for (const at of [0, 4, 57, ids.length - 1]) {
        const after = ids[at] ?? '';
        const rest = (await batches(collection, { batch: 10, after })).flat().map(({ item }) => item.id);
        expect(rest).toEqual(ids.slice(at + 1));
      }
      await collection.delete([ids[20] ?? '']);
      const rest = (await batches(collection, { batch: 10, after: ids[20] })).flat();
      expect(rest.map(({ item }) => item.id)).toEqual(ids.slice(21));
    });

    it('gives nothing of an empty collection, and stops when it is told to', async () => {
      expect(await batches(await filled([]), { batch: 10 })).toEqual([]);
      const stop = new AbortController();
      const seen: number[] = [];
      const read = async (): Promise<void> => {
        for await (const batch of (await filled(records)).scan({ batch: 10, signal: stop.signal })) {
          seen.push(batch.length);
          stop.abort();
        }
      };
      await expect(read()).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
      expect(seen).toEqual([10]);
    });

    it('tells how many rows there are, and that the index is ready after optimize', async () => {
      const collection = await filled(records);
      expect((await collection.status()).rows).toBe(records.length);
      await collection.optimize();
      const { rows, index, unindexedRows = 0 } = await collection.status();
      expect({ rows, unindexedRows }).toEqual({ rows: records.length, unindexedRows: 0 });
      expect(['NONE', 'READY']).toContain(index);
    });
  });
}
