import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ConfigError } from '../src/config-faults.js';
import { loadConfig, maskSecrets } from '../src/config.js';
import { type BundleSource, openBundles } from '../src/models/bundle-source.js';
import { packageRoot } from '../src/package-root.js';
import { pythonForTests } from './python.js';
import { type ObjectStore, startObjectStore } from './seaweedfs.js';
import { type RunningServer, startServer } from './server-process.js';

const V1 = packageRoot('deploy/models/v1');
const { python, skip } = pythonForTests('seaweedfs');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kindred-bucket-'));
  cpSync(V1, join(folder, 'models', 'v1'), { recursive: true });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Bundles of `models/`, and of the bucket that `flags` name. */
function openAll(flags: Record<string, string>): BundleSource {
  const config = loadConfig({
    env: {},
    flags: {
      data: join(folder, 'data'),
      'models.folder': join(folder, 'models'),
      'models.versions': 'v1',
      'models.stable': 'v1',
      'models.bucket.pollMs': '1',
      ...flags,
    },
  });
  const bundles = openBundles(config);
  onTestFinished(() => bundles.close());
  return bundles;
}

/** What was left in the mirror. */
const mirrored = (): string[] =>
  existsSync(join(folder, 'data/bundles')) ? readdirSync(join(folder, 'data/bundles')) : [];

describe('the settings of a bucket', () => {
  it.each([
    ['models.bucket.url', 'models', /models.bucket.url: expected s3:\/\/BUCKET or s3:\/\/BUCKET\/PREFIX/],
    ['models.bucket.url', 's3://models/x?y', /models.bucket.url/],
    ['models.bucket.endpoint', 'ftp://x', /models.bucket.endpoint/],
    ['models.bucket.secretAccessKey', 'hush', /models.bucket: expected both accessKeyId and secretAccessKey/],
  ])('refuse %s = %s, without the secret', (key, value, message) => {
    const load = (): unknown => loadConfig({ env: {}, flags: { [key]: value } });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(message);
    expect(load).not.toThrow(/hush/);
  });

  it('mask the secret', () => {
    const flags = { 'models.bucket.accessKeyId': 'id', 'models.bucket.secretAccessKey': 'hush' };
    expect(JSON.stringify(maskSecrets(loadConfig({ env: {}, flags })))).not.toContain('hush');
  });
});

describe('a store that says what no store should', () => {
  let server: Server;
  /** What a bundle called `evil` holds: its keys with sizes. */
  let objects: Record<string, { readonly size: number; readonly body: string }>;
  beforeEach(async () => {
    server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://store');
      if (searchParams.get('list-type') === '2') {
        const contents = Object.entries(objects).map(
          ([key, { size }]) => `<Contents><Key>${key}</Key><Size>${String(size)}</Size></Contents>`,
        );
        response.setHeader('content-type', 'application/xml');
        response.end(
          `<ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`,
        );
        return;
      }
      response.end(objects[decodeURIComponent(pathname).replace('/models/', '')]?.body ?? '');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterEach(() => server.close());
  const fetchEvil = (more: Record<string, string> = {}): Promise<string> =>
    openAll({
      'models.bucket.url': 's3://models',
      'models.bucket.endpoint': `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
      'models.bucket.accessKeyId': 'id',
      'models.bucket.secretAccessKey': 'hush',
      ...more,
    }).folderOf('evil');

  it.each([['evil/../../../outside'], ['evil/a/../../b'], ['evil//etc/passwd'], ['evil/a\\b']])(
    'has nothing written outside by the key %s',
    async (key) => {
      objects = { 'evil/model.json': { size: 2, body: '{}' }, [key]: { size: 4, body: 'evil' } };
      await expect(fetchEvil()).rejects.toThrow(
        /the bundle evil in the bucket models: expected names of files/,
      );
      expect(mirrored()).toEqual([]);
      expect(existsSync(join(folder, 'outside'))).toBe(false);
    },
  );

  it('is not asked for more bytes, or more objects, than a bundle may have', async () => {
    objects = { 'evil/model.onnx': { size: 2_000, body: '' } };
    await expect(fetchEvil({ 'models.bucket.maxBytes': '1000' })).rejects.toThrow(
      'expected at most 1000 bytes (models.bucket.maxBytes), but got 2000',
    );
    objects = Object.fromEntries(
      Array.from({ length: 1_001 }, (_, index) => [`evil/f${String(index)}`, { size: 1, body: '' }]),
    );
    await expect(fetchEvil()).rejects.toThrow('expected at most 1000 objects, but got more');
  });

  it('may not make this machine send its environment anywhere: a remote.json is no bundle', async () => {
    objects = { 'evil/remote.json': { size: 2, body: '{}' } };
    const refused = 'the bundle evil in the bucket models: a remote.json has to come from models.folder';
    await expect(fetchEvil()).rejects.toThrow(refused);
    // Nor does one beside a bundle that is whole.
    objects['evil/model.json'] = { size: 2, body: '{"files":{}}' };
    await expect(fetchEvil()).rejects.toThrow(refused);
    expect(mirrored()).toEqual([]);
  });
});

describe.skipIf(skip !== undefined)(
  `bundles in a bucket of a real store${skip === undefined ? '' : ` (skipped: ${skip})`}`,
  () => {
    let store: ObjectStore;
    beforeAll(async () => {
      store = await startObjectStore(python);
    }, 120_000);
    afterAll(() => store.close());

    it('are fetched once, checked, and then need no bucket', async () => {
      await store.putFolder(V1, 'shop/w1');
      const bundles = openAll(store.flags);
      expect(await bundles.list()).toEqual(['v1', 'w1']);
      // Those of the folder stay there.
      expect(await bundles.folderOf('v1')).toBe(join(folder, 'models', 'v1'));
      const [one, two] = await Promise.all([bundles.folderOf('w1'), bundles.folderOf('w1')]);
      expect([one, two]).toEqual([join(folder, 'data/bundles/w1'), join(folder, 'data/bundles/w1')]);
      for (const name of readdirSync(V1))
        expect(readFileSync(join(one, name)).equals(readFileSync(join(V1, name)))).toBe(true);
      await store.remove('shop/w1/model.onnx');
      expect(await openAll(store.flags).folderOf('w1')).toBe(one);
      expect(mirrored()).toEqual(['w1']);
    });

    it('are refused while half of them is there, and taken once all is', async () => {
      const bundles = openAll(store.flags);
      await store.putFolder(V1, 'shop/half', (name) => name !== 'model.onnx');
      const refused = /half in the bucket models: these files are missing or not whole yet: model.onnx/;
      await expect(bundles.folderOf('half')).rejects.toThrow(refused);
      await store.put('shop/half/model.onnx', 'the first bytes');
      await expect(bundles.folderOf('half')).rejects.toThrow(refused);
      await store.put('shop/half/model.onnx', readFileSync(join(V1, 'model.onnx')));
      expect(await bundles.folderOf('half')).toBe(join(folder, 'data/bundles/half'));
    });

    it('are refused when their files are others than model.json says, and nothing of them stays', async () => {
      const bundles = openAll(store.flags);
      await store.putFolder(V1, 'shop/bad');
      const changed = readFileSync(join(V1, 'model.onnx'));
      changed[1000] = (changed[1000] ?? 0) ^ 1;
      await store.put('shop/bad/model.onnx', changed);
      await expect(bundles.folderOf('bad')).rejects.toThrow(/model.onnx: expected SHA-256/);
      await expect(bundles.folderOf('none')).rejects.toThrow(
        'the bundle none in the bucket models: it is not there',
      );
      expect(mirrored()).toEqual([]);
    });

    it('say what is wrong with bucket and key, without the secret', async () => {
      const wrong = openAll({ ...store.flags, 'models.bucket.secretAccessKey': 'hush' });
      const error: unknown = await wrong.list().catch((caught: unknown) => caught);
      expect(String(error)).toMatch(/the bucket models: .*signature/i);
      expect(String(error)).not.toContain('hush');
      const other = openAll({ ...store.flags, 'models.bucket.url': 's3://nobodys-models' });
      await expect(other.list()).rejects.toThrow(/the bucket nobodys-models: /);
    });

    it('X4: wait no longer than they may for a store that hangs or is gone', async () => {
      const bundles = openAll({ ...store.flags, 'models.bucket.timeoutMs': '300' });
      store.freeze();
      await expect(bundles.folderOf('late')).rejects.toThrow(/the bundle late in the bucket models: /);
      store.thaw();
      const gone = openAll({ ...store.flags, 'models.bucket.endpoint': 'http://127.0.0.1:9' });
      await expect(gone.folderOf('late')).rejects.toThrow(
        /the bundle late in the bucket models: .*ECONNREFUSED/,
      );
      await store.putFolder(V1, 'shop/late');
      expect(await bundles.folderOf('late')).toBe(join(folder, 'data/bundles/late'));
    });

    it('become known to a gateway that watches them, which can then be filled', async () => {
      const token = 'a-token-of-these-tests';
      const server: RunningServer = await startServer(
        {
          data: join(folder, 'data'),
          'models.folder': join(folder, 'models'),
          'models.versions': 'v1',
          'models.stable': 'v1',
          'store.adapter': 'memory',
          'rollout.watch': 'true',
          'models.bucket.pollMs': '500',
          'embedding.threads': '1',
          ...store.flags,
        },
        { KINDRED_ADMIN_TOKEN: token },
      );
      const ask = async (query: string): Promise<string> => {
        const response = await fetch(`${server.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
          body: JSON.stringify({ query }),
        });
        return response.text();
      };
      try {
        await store.putFolder(V1, 'shop/fresh');
        await expect
          .poll(() => ask('{ models { id state health } }'), { timeout: 60_000 })
          .toContain('{"id":"fresh","state":"ADDED","health":"READY"}');
        await ask('mutation { backfillModel(id: "fresh") { id } }');
        await expect
          .poll(() => ask('{ models { id verified { rows } } }'), { timeout: 60_000 })
          .toContain('{"id":"fresh","verified":{"rows":420}}');
      } finally {
        await server.stop();
      }
    });
  },
);
