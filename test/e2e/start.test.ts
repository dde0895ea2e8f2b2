import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { freePort } from '../daemon.js';
import { startServer } from '../server-process.js';

const CLI = packageRoot('dist/src/cli/index.js');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kindred-start-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function kindred(
  args: string[],
  env: Record<string, string> = {},
): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: 'utf8',
    env: { ...process.env, KINDRED_DATA: folder, ...env },
    timeout: 50_000,
  });
  return { code: status, out: stdout, err: stderr };
}

describe('X20: a faulty configuration', () => {
  it('stops the start and lists every fault with key, expected and received, and no secret', () => {
    const file = join(folder, 'kindred.yaml');
    writeFileSync(file, 'server: { prot: 1 }\nlimits: { depth: deep }\nsearch: { cursorSecret: tooshort }\n');
    const { code, err } = kindred(['serve', '--config', file], {
      KINDRED_LOG_LEVEL: 'loud',
      KINDRED_CAHCE: '1',
    });
    expect(code).toBe(1);
    expect(err).toContain('server.prot');
    expect(err).toContain('limits.depth: expected number, received "deep"');
    expect(err).toContain('log.level');
    expect(err).toContain('KINDRED_CAHCE');
    expect(err).toContain('search.cursorSecret');
    expect(err).not.toContain('tooshort');
  });

  it('names a kindred.yaml that is missing or no YAML', () => {
    const file = join(folder, 'broken.yaml');
    expect(kindred(['config', '--config', file]).err).toContain('broken.yaml');
    writeFileSync(file, 'server: [\n');
    const { code, err } = kindred(['config', '--config', file]);
    expect(code).toBe(1);
    expect(err).toContain('broken.yaml: expected a readable YAML file');
  });

  it('defaults < kindred.yaml < environment < flags', () => {
    const file = join(folder, 'kindred.yaml');
    writeFileSync(file, 'server: { port: 1001, host: one }\nlog: { level: warn }\n');
    const { out } = kindred(['config', '--json', '--config', file, '--set', 'log.level=error'], {
      PORT: '1002',
      KINDRED_SEARCH_CURSOR_SECRET: 'a-long-secret-of-ours',
    });
    expect(JSON.parse(out)).toMatchObject({
      server: { port: 1002, host: 'one', bodyLimitBytes: 1_048_576 },
      log: { level: 'error' },
      search: { cursorSecret: '********' },
    });
  });

  it('reads maps as name=value, and masks the token of Milvus', () => {
    const { out } = kindred(
      [
        ...['config', '--json', '--set', 'store.milvus.index.params=M=8,efConstruction=64'],
        ...['--set', 'store.milvus.token=root:hidden'],
      ],
      { KINDRED_STORE_MILVUS_INDEX_SEARCH_PARAMS: 'ef=99, mode=fast' },
    );
    expect(out).not.toContain('hidden');
    expect((JSON.parse(out) as { store: { milvus: unknown } }).store.milvus).toMatchObject({
      token: '********',
      index: { params: { M: 8, efConstruction: 64 }, searchParams: { ef: 99, mode: 'fast' } },
    });
  });

  it('listens where --set says', async () => {
    const port = await freePort();
    const server = await startServer({ data: folder, 'server.port': String(port) });
    expect(new URL(server.url).port).toBe(String(port));
    await server.stop();
  });
});

describe('X18: what can not start', () => {
  it('says that the port is taken, in one message, and how to choose another', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, err } = kindred([
      'serve',
      '--port',
      String(port),
      '--host',
      '127.0.0.1',
      '--set',
      'log.pretty=false',
    ]);
    other.close();
    expect(code).toBe(1);
    expect(err).toMatch(/port/i);
    expect(err).not.toMatch(/\n\s+at /);
  });

  it('says that the data folder can not be written', () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    const { code, err, out } = kindred(['serve', '--data', join(file, 'data'), '--port', '0']);
    expect(code).toBe(1);
    expect(err + out).toContain('a-file');
    expect(err).not.toMatch(/\n\s+at /);
  });

  it('sheds or fails cleanly with 64 file descriptors', () => {
    const command = `ulimit -n 64; exec "${process.execPath}" "${CLI}" models --json`;
    const { status, stderr } = spawnSync('bash', ['-c', command], {
      encoding: 'utf8',
      env: { ...process.env, KINDRED_DATA: folder },
      timeout: 50_000,
    });
    expect([0, 1]).toContain(status);
    expect(stderr).not.toMatch(/Assertion|Segmentation|core dumped/);
  });
});

describe('X8: a broken bundle', () => {
  it('is refused with the reason while the other versions serve', async () => {
    const models = join(folder, 'models');
    mkdirSync(models);
    for (const id of ['v1', 'v2'])
      cpSync(packageRoot(`deploy/models/${id}`), join(models, id), { recursive: true });
    const path = join(models, 'v1', 'model.onnx');
    const bytes = readFileSync(path);
    bytes[1_000_000] = (bytes[1_000_000] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const server = await startServer({ data: join(folder, 'data'), 'models.folder': models });
    try {
      const ask = async (
        version: string,
      ): Promise<{ data: { search: unknown }; errors?: { extensions: { code: string } }[] }> => {
        const response = await fetch(`${server.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            query: `{ search(query: "lamp", modelVersion: "${version}") { nodes { id } } }`,
          }),
        });
        return (await response.json()) as Awaited<ReturnType<typeof ask>>;
      };
      expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
      expect((await ask('v1')).errors?.[0]?.extensions.code).toBe('MODEL_VERSION_UNAVAILABLE');
      expect((await ask('v2')).errors).toBeUndefined();
      const { code, out } = kindred(['doctor', '--set', `models.folder=${models}`]);
      expect(code).toBe(1);
      expect(out).toMatch(/FAIL {2}model files of v1/);
      expect(out).toMatch(/ok {4}model files of v2/);
    } finally {
      await server.stop();
    }
  });
});

describe('X12: SIGTERM during the first import', () => {
  it('stops, and the next start goes on to the whole catalogue', async () => {
    const child = spawn(
      process.execPath,
      [CLI, 'serve', '--port', '0', '--data', folder, '--set', 'import.batchSize=16'],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    await once(child.stderr, 'data'); // progress has begun
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).toBe(0);
    const server = await startServer({ data: folder });
    await server.stop();
    const { out } = kindred(['models', '--json']);
    expect((JSON.parse(out) as { rows: number }[]).map(({ rows }) => rows)).toEqual([420, 420]);
  });
});
