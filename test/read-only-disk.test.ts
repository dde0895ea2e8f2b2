import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLanceDbStore } from '../src/vectors/lancedb.js';
import type { VectorStore } from '../src/vectors/store.js';
import { record, unitVector } from './conformance/harness.js';
import { openFaiss, skipFaiss } from './faiss.js';

/** Runs `mount` or `umount`; answers what it says when it fails. */
function run(command: 'mount' | 'umount', ...args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

/** Why no disk can be made read-only here: it takes root, and a kernel that lets it mount. */
function skipMount(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-mount-'));
  const fault = run('mount', '-t', 'tmpfs', 'none', folder);
  if (fault === undefined) run('umount', folder);
  rmSync(folder, { recursive: true });
  return fault === undefined ? undefined : `it can't mount a disk: ${fault}`;
}

const skip = skipMount();
const stores: [string, string | undefined, (folder: string) => VectorStore][] = [
  [
    'lancedb',
    undefined,
    (folder) => createLanceDbStore({ folder, indexFromRows: 100, refineFactor: 3, refreshMs: 0 }),
  ],
  ['faiss', skipFaiss(), (folder) => openFaiss(folder)],
];

describe.each(stores)('%s on a disk that turns read-only', (name, missing, open) => {
  const reason = skip ?? missing;
  let folder: string;
  let store: VectorStore;
  beforeAll(() => {
    if (reason !== undefined) return;
    folder = mkdtempSync(join(tmpdir(), `kindred-disk-${name}-`));
    expect(run('mount', '-t', 'tmpfs', 'none', folder)).toBeUndefined();
    store = open(folder);
  });
  afterAll(async () => {
    if (reason !== undefined) return;
    await store.close();
    run('umount', '-l', folder);
    rmSync(folder, { recursive: true, force: true });
  });

  it.skipIf(reason !== undefined)(
    `answers searches, refuses writes by a typed error, and takes them again when the disk does${reason === undefined ? '' : ` (${reason})`}`,
    async () => {
      const rows = Array.from({ length: 300 }, (_, i) =>
        record(`r${String(i)}`, { stock: i }, unitVector(i)),
      );
      const collection = await store.open({
        name: 'Disk',
        dimension: 8,
        fields: [{ name: 'stock', type: 'int' }],
      });
      await collection.upsert(rows);
      await collection.optimize();
      expect(run('mount', '-o', 'remount,ro', folder)).toBeUndefined();
      const refused = { code: 'UPSTREAM_UNAVAILABLE' };
      await expect(collection.upsert([record('late')])).rejects.toMatchObject(refused);
      await expect(collection.delete(['r1'])).rejects.toMatchObject(refused);
      await expect(store.open({ name: 'New', dimension: 8, fields: [] })).rejects.toMatchObject(refused);
      expect(await collection.search([unitVector(7)], { limit: 1 })).toMatchObject([[{ id: 'r7' }]]);
      expect(await collection.fetch(['r1', 'late'])).toMatchObject([{ id: 'r1' }, null]);
      expect(await collection.count({ kind: 'range', field: 'stock', gte: 0 })).toBe(300);
      // Who starts now finds what was acknowledged.
      const other = open(folder);
      const reopened = await other.open(collection.spec);
      expect(await reopened.search([unitVector(8)], { limit: 1 })).toMatchObject([[{ id: 'r8' }]]);
      await other.close();
      expect(run('mount', '-o', 'remount,rw', folder)).toBeUndefined();
      await collection.upsert([record('late', {}, unitVector(9_999))]);
      expect(await collection.search([unitVector(9_999)], { limit: 1 })).toMatchObject([[{ id: 'late' }]]);
      await collection.optimize();
      expect(await collection.count()).toBe(301);
    },
  );
});
