import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { type Milvus, skipMilvus, startMilvus } from '../milvus.js';

const CLI = packageRoot('dist/src/cli/index.js');
const PRODUCTS = packageRoot('deploy/sample/products.jsonl');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kindred-store-'));
  expect(kindred('import', PRODUCTS).code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function kindred(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: 'utf8',
    timeout: 100_000,
    env: { ...process.env, KINDRED_DATA: folder, KINDRED_MODELS_VERSIONS: 'v1', KINDRED_MODELS_STABLE: 'v1' },
  });
  return { code: status, out: stdout, err: stderr };
}

interface Status {
  readonly store: string;
  readonly versions: { version: string; rows: number; index: string; collection: string }[];
  readonly unused: string[];
}
const status = (...args: string[]): Status =>
  JSON.parse(kindred('store', 'status', '--json', ...args).out) as Status;

describe('kindred store status', () => {
  it('shows the collection of each version with its rows, for people and programs', () => {
    const { store, versions, unused } = status();
    expect({ store, unused }).toEqual({ store: 'lancedb', unused: [] });
    expect(versions).toMatchObject([{ version: 'v1', rows: 420, index: 'NONE' }]);
    const { code, out } = kindred('store', 'status');
    expect(code).toBe(0);
    expect(out).toMatch(/v1 +420/);
    expect(out).toContain(versions[0]?.collection);
  });
});

describe('a reader that closes the output', () => {
  it('is no fault', () => {
    const { stderr } = spawnSync(
      'sh',
      ['-c', '"$0" "$1" --help | true; "$0" "$1" config | true', process.execPath, CLI],
      {
        encoding: 'utf8',
      },
    );
    expect(stderr).toBe('');
  });
});

describe('kindred store verify', () => {
  it('agrees with the files that were imported', () => {
    const { code, out } = kindred('store', 'verify', PRODUCTS, '--json');
    expect(JSON.parse(out)).toEqual({
      versions: [{ version: 'v1', rows: 420, equal: 420, differing: 0, extra: 0 }],
      rejected: 0,
    });
    expect(code).toBe(0);
  });

  it('finds a row that differs, one that is missing and one too many, and writes nothing', () => {
    const lines = readFileSync(PRODUCTS, 'utf8').trimEnd().split('\n');
    const [first = '', second = ''] = lines;
    const changed = JSON.stringify({ ...(JSON.parse(first) as object), title: 'Another title' });
    const added = JSON.stringify({ ...(JSON.parse(second) as object), id: 'new' });
    const file = join(folder, 'other.jsonl');
    // The first differs, the second is gone, one is new.
    writeFileSync(file, [changed, ...lines.slice(2), added].join('\n'));
    for (let round = 0; round < 2; round += 1) {
      const { code, out } = kindred('store', 'verify', file, '--json');
      expect(JSON.parse(out)).toMatchObject({ versions: [{ rows: 420, equal: 418, differing: 2 }] });
      expect(code).toBe(1);
    }
  });
});

describe('kindred store export and import', () => {
  it('writes a file a version, and takes it into an empty store without embedding', () => {
    const backup = join(folder, 'backup');
    const written = kindred('store', 'export', backup);
    expect(written.out).toMatch(/v1: 420 records in .*v1\.parquet/);
    expect(written.code).toBe(0);
    const file = join(backup, 'v1.parquet');
    const other = ['--data', join(folder, 'restored')];
    expect(kindred('store', 'import', file, ...other).out).toMatch(/420 records, 420 written to lancedb/);
    expect(kindred('store', 'import', file, ...other).out).toMatch(/420 records, 0 written/);
    expect(kindred('store', 'verify', PRODUCTS, ...other).code).toBe(0);
    const found = (...args: string[]): string => kindred('search', 'rain coat', '--json', ...args).out;
    expect(found()).toContain('"score"');
    expect(found(...other)).toEqual(found());
  });

  it('refuses vectors of another model, and files that are none, before anything is written', () => {
    const file = join(folder, 'backup', 'v1.parquet');
    const v2 = ['--data', join(folder, 'other'), '--set', 'models.versions=v2', '--set', 'models.stable=v2'];
    const unknown = kindred('store', 'import', file, ...v2);
    expect(unknown.code).toBe(1);
    expect(unknown.err).toMatch(/made by v1 \(\w{12}, 256 dimensions\), which is none of those here: v2 \(/);
    const none = kindred('store', 'import', PRODUCTS);
    expect(none.code).toBe(1);
    expect(none.err).toMatch(/products\.jsonl is damaged, or not a file that `kindred store export` wrote/);
  });
});

describe('kindred store migrate', () => {
  it('copies to another store, writes nothing the second time, and leaves the first as it is', () => {
    const to = ['--to', `data=${join(folder, 'copy')}`];
    const first = kindred('store', 'migrate', ...to);
    expect(first.out).toMatch(/v1: 420 records, 420 written to lancedb/);
    expect(first.code).toBe(0);
    expect(kindred('store', 'migrate', ...to).out).toMatch(/v1: 420 records, 0 written/);
    expect(status('--data', join(folder, 'copy')).versions).toMatchObject([{ rows: 420 }]);
    expect(kindred('store', 'verify', PRODUCTS, '--data', join(folder, 'copy')).code).toBe(0);
  });

  it('takes settings of the store alone', () => {
    const { code, err } = kindred('store', 'migrate', '--to', 'server.port=1');
    expect(code).toBe(2);
    expect(err).toContain('expected data or a setting of store');
    expect(kindred('store', 'migrate').code).toBe(2);
  });

  const skip = skipMilvus();
  it.skipIf(skip !== undefined)(
    `goes from LanceDB to the real Milvus and back with the same items, hashes and vectors${skip === undefined ? '' : ` (${skip})`}`,
    async () => {
      let milvus: Milvus | undefined;
      try {
        milvus = await startMilvus();
        const onMilvus = ['store.adapter=milvus', `store.milvus.address=${milvus.address}`];
        const there = kindred('store', 'migrate', ...onMilvus.flatMap((each) => ['--to', each]));
        expect(there.out).toMatch(/v1: 420 records, 420 written to milvus/);
        const set = onMilvus.flatMap((each) => ['--set', each]);
        expect(status(...set)).toMatchObject({ store: 'milvus', versions: [{ rows: 420, index: 'READY' }] });
        expect(kindred('store', 'verify', PRODUCTS, ...set).code).toBe(0);
        const back = join(folder, 'back');
        const home = kindred(
          'store',
          'migrate',
          ...set,
          '--to',
          'store.adapter=lancedb',
          '--to',
          `data=${back}`,
        );
        expect(home.out).toMatch(/v1: 420 records, 420 written to lancedb/);
        const search = (data: string): string =>
          kindred('search', 'a present for a cyclist', '--json', '--first', '50', '--data', data).out;
        expect(search(back)).toBe(search(folder));
        expect(search(back).split('\n').length).toBeGreaterThan(50);
      } finally {
        await milvus?.close();
      }
    },
  );
});
