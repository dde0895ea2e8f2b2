import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/package-root.js';
import { createLanceDbStore } from '../src/vectors/lancedb.js';
import type { VectorStore } from '../src/vectors/store.js';
import { record, unitVector } from './conformance/harness.js';

/** Upserts forever, printing the number of each batch once it is acknowledged; some batches replace the one before. */
const WRITER = `
const { createLanceDbStore } = await import(process.argv[1]);
const store = createLanceDbStore({ folder: process.argv[2], indexFromRows: 200, refineFactor: 3, refreshMs: 0 });
const collection = await store.open({ name: 'Crash', dimension: 4, fields: [{ name: 'stock', type: 'int' }] });
for (let batch = Number(process.argv[3]); ; batch += 1) {
  const records = Array.from({ length: 20 }, (_, i) => ({
    item: { id: 'b' + batch + '-' + i, fields: { stock: batch } },
    vector: Float32Array.of(1, batch + 1, i, 1),
    hash: 'h' + batch,
  }));
  await collection.upsert(records);
  console.log(batch);
  if (batch % 7 === 6) await collection.optimize();
}
`;

describe('LanceDB', () => {
  let folder: string;
  const stores: VectorStore[] = [];
  const open = (at: string, refreshMs = 0): VectorStore => {
    const store = createLanceDbStore({ folder: at, indexFromRows: 200, refineFactor: 3, refreshMs });
    stores.push(store);
    return store;
  };
  const spec = { name: 'Shared', dimension: 8, fields: [] };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kindred-lance-'));
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('X1, X13: loses nothing acknowledged and doubles nothing when killed while it writes', async () => {
    const at = join(folder, 'crash');
    let next = 0;
    for (let round = 0; round < 4; round += 1) {
      const acknowledged = await writeUntilKilled(at, next, 3 + round * 4);
      const collection = await open(at).open({
        name: 'Crash',
        dimension: 4,
        fields: [{ name: 'stock', type: 'int' }],
      });
      const ids = Array.from(
        { length: (acknowledged + 1) * 20 },
        (_, i) => `b${String(Math.floor(i / 20))}-${String(i % 20)}`,
      );
      expect((await collection.hashes(ids)).filter((hash) => hash === null)).toEqual([]);
      const rows = await collection.count();
      // The batch that was under way is there as a whole or not at all.
      expect([ids.length, ids.length + 20]).toContain(rows);
      const [hits = []] = await collection.search([Float32Array.of(1, 1, 1, 1)], { limit: 10_000 });
      expect(new Set(hits.map(({ id }) => id)).size).toBe(rows);
      expect(hits).toHaveLength(rows);
      next = acknowledged + 1;
    }
  });

  it('shows one process what another has written', async () => {
    const at = join(folder, 'shared');
    const [writer, reader] = [await open(at).open(spec), await open(at, 1).open(spec)];
    await writer.upsert(Array.from({ length: 300 }, (_, i) => record(`r${String(i)}`, {}, unitVector(i))));
    await expect.poll(() => reader.count()).toBe(300);
    await writer.optimize();
    expect(await reader.search([unitVector(4)], { limit: 1 })).toMatchObject([[{ id: 'r4' }]]);
    await writer.upsert([record('r4', { changed: true }, unitVector(4))]);
    await writer.delete(['r5']);
    await writer.optimize();
    await expect
      .poll(() => reader.fetch(['r4', 'r5']))
      .toEqual([{ id: 'r4', fields: { changed: true } }, null]);
  });

  it('keeps an id once when two processes insert it at the same time', async () => {
    const at = join(folder, 'race');
    const [one, two] = [await open(at).open(spec), await open(at).open(spec)];
    const records = Array.from({ length: 50 }, (_, i) => record(`r${String(i)}`));
    for (let round = 0; round < 5; round += 1) {
      const named = records.map((each) => ({
        ...each,
        item: { id: `${each.item.id} ${String(round)}`, fields: {} },
      }));
      await Promise.all([one.upsert(named), two.upsert(named)]);
      await expect.poll(() => one.count()).toBe(50 * (round + 1));
    }
    await Promise.all([one.optimize(), two.upsert([record('late')])]);
    await expect.poll(() => one.count()).toBe(251);
  });

  it('makes a collection once when several processes open it at the same time, and loses nothing that they write', async () => {
    for (const round of [1, 2, 3, 4, 5]) {
      const at = join(folder, `opened-at-once-${String(round)}`);
      await Promise.all(
        ['a', 'b', 'c', 'd', 'e', 'f'].map(async (id) => {
          const collection = await open(at).open(spec);
          await collection.upsert([record(id)]);
        }),
      );
      const collection = await open(at).open(spec);
      expect(await collection.count()).toBe(6);
    }
  });

  it.each([['data'], ['_versions']])(
    'X13: makes anew what a process had only begun to make when it was killed (its folder has %s)',
    async (part) => {
      const at = join(folder, `begun-${part}`);
      mkdirSync(join(at, 'Shared.lance', part), { recursive: true });
      if (part === 'data') writeFileSync(join(at, 'Shared.lance/data/half.lance'), 'half');
      const collection = await open(at).open(spec);
      await collection.upsert([record('a')]);
      const again = await open(at).open(spec);
      expect(await again.count()).toBe(1);
    },
  );

  it('finds rows that came after the index was built, and forgets none when it is built anew', async () => {
    const collection = await open(join(folder, 'grow')).open(spec);
    let rows = 0;
    for (const batch of [300, 20, 200, 400]) {
      const records = Array.from({ length: batch }, (_, i) =>
        record(`r${String(rows + i)}`, {}, unitVector(rows + i)),
      );
      await collection.upsert(records);
      rows += batch;
      for (const optimize of [false, true]) {
        if (optimize) await collection.optimize();
        const last = await collection.search([unitVector(rows - 1), unitVector(0)], { limit: 1 });
        expect(last).toMatchObject([[{ id: `r${String(rows - 1)}` }], [{ id: 'r0' }]]);
        expect(await collection.search([unitVector(1)], { limit: 2_000 })).toMatchObject([{ length: rows }]);
      }
    }
  });

  it('X18: says what is wrong with a folder that can not be used', async () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, 'not a folder');
    const bad = [file, ...(existsSync('/sys') ? ['/sys/kindred'] : [])];
    for (const at of bad) {
      const store = open(at);
      const error = {
        code: 'UPSTREAM_UNAVAILABLE',
        message: expect.stringMatching(/can't use its folder \(E\w+\).*KINDRED_DATA/) as unknown,
      };
      await expect(store.open(spec)).rejects.toMatchObject(error);
      await expect(store.check()).rejects.toMatchObject(error);
      await expect(store.check()).rejects.not.toThrow(at);
    }
  });

  it('X17: is unavailable while its folder is gone, and makes it again when it is opened', async () => {
    const at = join(folder, 'vanishing');
    const store = open(at);
    const collection = await store.open(spec);
    await collection.upsert([record('a')]);
    await store.check();
    rmSync(at, { recursive: true });
    await expect(store.check()).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    await expect(collection.search([unitVector(1)], { limit: 1 })).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
    });
    const anew = await open(at).open(spec);
    expect(await anew.count()).toBe(0);
  });

  it('refuses a table that Kindred did not make', async () => {
    const { connect } = await import('@lancedb/lancedb');
    const at = join(folder, 'foreign');
    const db = await connect(at);
    await db.createTable('Shared', [{ id: 'a', vector: [1, 2] }]);
    await expect(open(at).open(spec)).rejects.toThrow(/not made by Kindred/);
    db.close();
  });
});

/** Runs the writer from batch `from`, kills it with SIGKILL after `batches` acknowledgements, and answers the last one seen. */
async function writeUntilKilled(folder: string, from: number, batches: number): Promise<number> {
  const built = packageRoot('dist/src/vectors/lancedb.js');
  const child: ChildProcess = spawn(
    process.execPath,
    ['--input-type=module', '-e', WRITER, built, folder, String(from)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  if (child.stdout === null) throw new Error('no output');
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let last = from - 1;
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    seen += 1;
    // Not at the acknowledgement itself: somewhere inside the next write.
    if (seen === batches) setTimeout(() => child.kill('SIGKILL'), seen);
  }
  await exited;
  return last;
}
