import { describe, expect, it } from 'vitest';
import { KindredError } from '../src/errors.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import { type MigrationProgress, migrate } from '../src/vectors/migrate.js';
import type { Collection } from '../src/vectors/store.js';
import { record, unitVector } from './conformance/harness.js';

const open = (): Promise<Collection> =>
  createMemoryStore().open({ name: 'Migrated', dimension: 8, fields: [{ name: 'stock', type: 'int' }] });
const records = Array.from({ length: 2_500 }, (_, at) =>
  record(`id ${String(at)}`, { stock: at }, unitVector(at)),
);
const filled = async (): Promise<Collection> => {
  const collection = await open();
  await collection.upsert(records);
  return collection;
};
const signal = new AbortController().signal;

describe('a migration', () => {
  it('copies every record whole, and tells how far it is', async () => {
    const [source, target] = [await filled(), await open()];
    const told: MigrationProgress[] = [];
    const summary = await migrate(source, target, { signal, onProgress: (each) => told.push(each) });
    expect(summary).toEqual({ total: 2_500, read: 2_500, written: 2_500, extra: 0 });
    expect(told.map(({ read }) => read)).toEqual([1_000, 2_000, 2_500]);
    const ids = records.map(({ item }) => item.id);
    expect(await target.fetch(ids)).toEqual(records.map(({ item }) => item));
    expect(await target.vectors(ids)).toEqual(records.map(({ vector }) => vector));
  });

  it('writes what is missing or differs alone when it is started again, and leaves what is more', async () => {
    const [source, target] = [await filled(), await open()];
    const broken: Collection = {
      ...target,
      upsert: (some) =>
        some.some(({ item }) => item.id === 'id 9')
          ? Promise.reject(new Error('cut off'))
          : target.upsert(some),
    };
    await expect(migrate(source, broken, { signal })).rejects.toThrow('cut off');
    // Two batches are in: ids ascend as texts.
    expect(await target.count()).toBe(2_000);
    await target.upsert([record('more', {}), record('id 7', { stock: -1 }, unitVector(7), 'another hash')]);
    const summary = await migrate(source, target, { signal });
    expect(summary).toEqual({ total: 2_500, read: 2_500, written: 500, extra: 1 });
    expect(await target.fetch(['id 7'])).toEqual([{ id: 'id 7', fields: { stock: 7 } }]);
    expect(await migrate(source, target, { signal })).toMatchObject({ written: 0 });
  });

  it('waits for a store that is away for a moment', async () => {
    const [source, target] = [await filled(), await open()];
    let failures = 2;
    const shaky: Collection = {
      ...target,
      upsert: (some) =>
        failures-- > 0
          ? Promise.reject(new KindredError('UPSTREAM_UNAVAILABLE', 'away', { retryAfterMs: 1 }))
          : target.upsert(some),
    };
    expect(await migrate(source, shaky, { signal })).toMatchObject({ written: 2_500 });
  });

  it('fails when the target has lost records at the end, and when it is stopped', async () => {
    const [source, target] = [await filled(), await open()];
    const lossy: Collection = { ...target, upsert: (some) => target.upsert(some.slice(1)) };
    await expect(migrate(source, lossy, { signal })).rejects.toThrow(
      /expected the target to have 2500 records/,
    );
    await expect(migrate(source, target, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'REQUEST_CANCELLED',
    });
  });
});
