import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/package-root.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import { migrate } from '../src/vectors/migrate.js';
import { exportParquet, openParquet } from '../src/vectors/parquet.js';
import type { Collection, VectorRecord } from '../src/vectors/store.js';
import { record, unitVector } from './conformance/harness.js';
import { pythonForTests } from './python.js';

const PASSPORT = { entity: 'Product', modelVersion: 'v2', modelDigest: 'abc', dimension: 8 };
const { signal } = new AbortController();

describe('a Parquet file of vectors', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kindred-parquet-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  let next = 0;
  const filled = async (records: readonly VectorRecord[]): Promise<Collection> => {
    next += 1;
    const collection = await createMemoryStore().open({
      name: `Parquet_${String(next)}`,
      dimension: 8,
      fields: [],
    });
    for (let from = 0; from < records.length; from += 10_000)
      await collection.upsert(records.slice(from, from + 10_000));
    return collection;
  };

  const hard = ['', "o'neil", '"', '日本', '😀', 'x'.repeat(5_000)].map((id, at) =>
    record(id, { brand: id, tags: [id], none: null, extra: { deep: [1, 0.1] } }, unitVector(at)),
  );
  const many = Array.from({ length: 12_003 }, (_, at) =>
    record(`id ${String(at)}`, { stock: at }, unitVector(at)),
  );

  it.each([
    ['no records', []],
    ['texts of every kind', hard],
    ['several row groups', many],
  ])('gives back what was written: %s', async (_title, records) => {
    const source = await filled(records);
    const file = join(folder, `${String(next)}.parquet`);
    const told: number[] = [];
    const onProgress = ({ read }: { read: number }): void => void told.push(read);
    expect(await exportParquet(source, file, PASSPORT, { signal, onProgress })).toBe(records.length);
    expect(told.at(-1) ?? 0).toBe(records.length);
    const opened = await openParquet(file);
    expect(opened.passport).toMatchObject(PASSPORT);
    const target = await filled([]);
    const summary = await migrate(opened, target, { signal });
    expect(summary).toMatchObject({ read: records.length, written: records.length, extra: 0 });
    const ids = records.map(({ item }) => item.id);
    expect(await target.fetch(ids)).toEqual(records.map(({ item }) => item));
    expect(await target.vectors(ids)).toEqual(records.map(({ vector }) => vector));
    expect(await target.hashes(ids)).toEqual(records.map(({ hash }) => hash));
    expect(await migrate(opened, target, { signal })).toMatchObject({ written: 0 });
  });

  it('is not there when its export was cut off, and leaves the one that was', async () => {
    const file = join(folder, 'cut.parquet');
    await exportParquet(await filled(hard), file, PASSPORT, { signal });
    const before = readFileSync(file);
    const stop = new AbortController();
    const source = await filled(many);
    const cut = exportParquet(source, file, PASSPORT, {
      signal: stop.signal,
      onProgress: () => {
        stop.abort();
      },
    });
    await expect(cut).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    expect(readFileSync(file)).toEqual(before);
    expect(existsSync(`${file}.partial`)).toBe(false);
  });

  it('is refused with its name when it is damaged or of another make', async () => {
    const file = join(folder, 'whole.parquet');
    await exportParquet(await filled(many), file, PASSPORT, { signal });
    const whole = readFileSync(file);
    const refused = async (bytes: Buffer): Promise<void> => {
      const bad = join(folder, 'bad.parquet');
      writeFileSync(bad, bytes);
      const read = async (): Promise<void> => {
        const target = await filled([]);
        await migrate(await openParquet(bad), target, { signal });
      };
      await expect(read()).rejects.toThrow(/bad\.parquet is damaged, or not a file/);
    };
    await refused(Buffer.from(''));
    await refused(Buffer.from('id,vector\n'));
    await refused(whole.subarray(0, whole.length / 2));
    const changed = Buffer.from(whole);
    changed.fill(0xff, 1_000, 200_000);
    await refused(changed);
  });

  const { python, skip } = pythonForTests('parquet');
  it.skipIf(skip !== undefined)(
    `reads the same in Apache Arrow${skip === undefined ? '' : ` (${skip})`}`,
    async () => {
      const file = join(folder, 'arrow.parquet');
      const some = hard.slice(1, 4);
      await exportParquet(await filled(some), file, PASSPORT, { signal });
      const script = packageRoot('test/python/read_parquet.py');
      const seen = JSON.parse(execFileSync(python, [script, file], { encoding: 'utf8' })) as {
        types: Record<string, string>;
        rows: { id: string; vector: number[]; hash: string; item: string }[];
        count: number;
        kindred: object;
      };
      expect(seen.types).toEqual({
        id: 'string',
        vector: expect.stringMatching(/^list<.*float.*>$/) as string,
        hash: 'string',
        item: 'string',
      });
      expect(seen.count).toBe(3);
      expect(seen.kindred).toMatchObject(PASSPORT);
      const byId = new Map(seen.rows.map((row) => [row.id, row]));
      for (const { item, vector, hash } of some) {
        const row = byId.get(item.id);
        expect(row).toMatchObject({ vector: Array.from(vector), hash });
        expect(JSON.parse(row?.item ?? '')).toEqual(item.fields);
      }
    },
  );
});
