import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/package-root.js';
import type { FaissOptions } from '../src/vectors/faiss-options.js';
import type { Collection, VectorStore } from '../src/vectors/store.js';
import { record, unitVector } from './conformance/harness.js';
import { faissOptions, openFaiss, skipFaiss } from './faiss.js';

const skip = skipFaiss();
const SPEC = { name: 'Index', dimension: 8, fields: [{ name: 'stock', type: 'int' as const }] };

/** Upserts forever, printing the number of each batch once it is acknowledged. */
const WRITER = `
const { createFaissStore } = await import(process.argv[1]);
const store = createFaissStore({ ...JSON.parse(process.argv[2]) });
const collection = await store.open(${JSON.stringify(SPEC)});
for (let batch = 0; ; batch += 1) {
  await collection.upsert(Array.from({ length: 20 }, (_, i) => ({
    item: { id: 'b' + batch + '-' + i, fields: { stock: batch } },
    vector: Float32Array.of(1, batch + 1, i, 1, 0, 0, 0, 0),
    hash: 'h' + batch,
  })));
  console.log(batch);
  if (batch % 5 === 4) await collection.optimize();
}
`;

describe.skipIf(skip !== undefined)(`an index of FAISS${skip === undefined ? '' : ` (${skip})`}`, () => {
  let folder: string;
  let stores: VectorStore[];
  const open = async (over: Partial<FaissOptions> = {}, spec = SPEC): Promise<Collection> => {
    const store = openFaiss(folder, over);
    stores.push(store);
    return store.open(spec);
  };
  const rows = (from: number, to: number): ReturnType<typeof record>[] =>
    Array.from({ length: to - from }, (_, i) =>
      record(`r${String(from + i)}`, { stock: from + i }, unitVector(from + i)),
    );
  const best = async (collection: Collection, seed: number): Promise<string | undefined> => {
    const [[hit] = []] = await collection.search([unitVector(seed)], { limit: 1 });
    return hit?.id;
  };
  const indexFiles = (): string[] => readdirSync(join(folder, 'indexes', SPEC.name));
  const generation = (): string =>
    (
      JSON.parse(readFileSync(join(folder, 'indexes', SPEC.name, 'manifest.json'), 'utf8')) as {
        generation: string;
      }
    ).generation;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kindred-faiss-'));
    stores = [];
  });
  afterEach(async () => {
    for (const store of stores) await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is read from its file whatever characters its ids have', async () => {
    const ids = ['a\u2028b', 'c\u2029d', 'e\nf', '\u0085', '"'];
    const one = await open();
    await one.upsert(ids.map((id, i) => record(id, { stock: i }, unitVector(i))));
    await one.optimize();
    const again = await open();
    expect(await again.status()).toMatchObject({ rows: 5, index: 'READY' });
    for (const [i, id] of ids.entries()) expect(await best(again, i)).toBe(id);
  });

  it('is read from its file, follows what was written behind it, and grows by that', async () => {
    const one = await open();
    await one.upsert(rows(0, 200));
    expect(await one.status()).toMatchObject({ rows: 200, index: 'NONE' });
    await one.optimize();
    expect(await one.status()).toMatchObject({ rows: 200, index: 'READY', indexType: 'HNSW32' });
    await one.upsert(rows(200, 220));
    await one.delete(['r5']);
    expect(await one.status()).toMatchObject({ rows: 219, index: 'BUILDING', unindexedRows: 20 });
    const again = await open();
    expect(await again.status()).toMatchObject({ rows: 219, index: 'BUILDING', unindexedRows: 20 });
    expect(await best(again, 210)).toBe('r210');
    expect(await best(again, 5)).not.toBe('r5');
    const before = generation();
    await again.optimize();
    expect(generation()).not.toBe(before);
    expect(await again.status()).toMatchObject({ rows: 219, index: 'READY', unindexedRows: 0 });
    expect(indexFiles()).toHaveLength(3);
    const unchanged = generation();
    await again.optimize();
    expect(generation()).toBe(unchanged);
  });

  it('shows one process what another has written and built', async () => {
    const [writer, reader] = [await open(), await open({ refreshMs: 1 })];
    await writer.upsert(rows(0, 100));
    await expect.poll(() => best(reader, 42)).toBe('r42');
    await writer.optimize();
    await writer.upsert([record('r42', { stock: -1 }, unitVector(1_000), 'changed')]);
    await expect.poll(() => best(reader, 1_000)).toBe('r42');
    await expect.poll(async () => (await reader.status()).index).toBe('BUILDING');
    await writer.delete(['r42']);
    await expect.poll(() => best(reader, 1_000)).not.toBe('r42');
    const searches = Array.from({ length: 50 }, () => best(reader, 7));
    await writer.optimize();
    expect(new Set(await Promise.all(searches))).toEqual(new Set(['r7']));
  });

  it('is made anew from the records when its files are damaged, gone, or of another factory', async () => {
    const one = await open();
    await one.upsert(rows(0, 100));
    await one.optimize();
    truncateSync(join(folder, 'indexes', SPEC.name, `${generation()}.faiss`), 40);
    const damaged = await open();
    expect(await best(damaged, 33)).toBe('r33');
    expect((await damaged.status()).rows).toBe(100);
    await damaged.upsert(rows(100, 101));
    await damaged.optimize();
    expect(await damaged.status()).toMatchObject({ rows: 101, index: 'READY' });
    writeFileSync(join(folder, 'indexes', SPEC.name, 'manifest.json'), 'not json');
    expect(await best(await open(), 33)).toBe('r33');
    const flat = await open({ factory: 'Flat' });
    await flat.optimize();
    expect(await flat.status()).toMatchObject({ indexType: 'Flat', index: 'READY' });
  });

  it('waits for enough rows to train an IVF index, and finds more with more probes', async () => {
    const spec = { ...SPEC, dimension: 32 };
    const all = Array.from({ length: 3_000 }, (_, i) => record(`r${String(i)}`, {}, unitVector(i, 32)));
    const few = await open({ factory: 'IVF64,Flat', probes: 1 }, spec);
    await few.upsert(all.slice(0, 100));
    await few.optimize();
    expect((await few.status()).index).toBe('NONE');
    await few.upsert(all.slice(100));
    await few.optimize();
    expect((await few.status()).index).toBe('READY');
    const recall = async (collection: Collection): Promise<number> => {
      const exact = openFaiss(folder, { factory: 'Flat' });
      stores.push(exact);
      const reference = await exact.open(spec);
      let found = 0;
      for (let seed = 0; seed < 50; seed += 1) {
        const query = [unitVector(90_000 + seed, 32)];
        const [[want = []], [got = []]] = await Promise.all([
          reference.search(query, { limit: 10 }),
          collection.search(query, { limit: 10 }),
        ]);
        const ids = new Set(want.map(({ id }) => id));
        found += got.filter(({ id }) => ids.has(id)).length;
      }
      return found / 500;
    };
    const one = await recall(few);
    const many = await recall(await open({ factory: 'IVF64,Flat', probes: 64 }, spec));
    expect(one).toBeLessThan(0.7);
    expect(many).toBeGreaterThan(0.99);
  });

  it('X1: loses nothing acknowledged when its process is killed while it writes and builds', async () => {
    const writer = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        WRITER,
        packageRoot('dist/src/vectors/faiss.js'),
        JSON.stringify(faissOptions(folder)),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let acknowledged = -1;
    for await (const line of createInterface({ input: writer.stdout })) {
      acknowledged = Number(line);
      if (acknowledged === 12) break;
    }
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const collection = await open();
    const ids = Array.from(
      { length: (acknowledged + 1) * 20 },
      (_, i) => `b${String(Math.floor(i / 20))}-${String(i % 20)}`,
    );
    expect((await collection.hashes(ids)).filter((hash) => hash === null)).toEqual([]);
    const count = await collection.count();
    const [hits = []] = await collection.search([unitVector(1)], { limit: 10_000 });
    expect(new Set(hits.map(({ id }) => id)).size).toBe(count);
    await collection.optimize();
    expect(await collection.status()).toMatchObject({ rows: count, index: 'READY' });
  });

  it('says what to do where the package is missing', async () => {
    await expect(open({ package: 'faiss-node-that-is-not-there' })).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      message: expect.stringMatching(/npm install faiss-node/) as string,
    });
  });
});
