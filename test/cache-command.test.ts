import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig, maskSecrets } from '../src/config.js';
import { packageRoot } from '../src/package-root.js';
import { freePort, skipWithout } from './daemon.js';
import { type Redis, startRedis } from './redis.js';
import { startServer } from './server-process.js';

const skip = skipWithout('redis-server');
const folder = mkdtempSync(join(tmpdir(), 'kindred-cache-command-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The small model alone, and nothing of this machine's settings. */
const settings = {
  'models.versions': 'v1',
  'models.stable': 'v1',
  data: join(folder, 'data'),
};

interface Ended {
  readonly code: unknown;
  readonly out: string;
  readonly err: string;
}

async function kindred(args: string[], more: Record<string, string> = {}): Promise<Ended> {
  const set = Object.entries({ ...settings, ...more }).flatMap(([key, value]) => [
    '--set',
    `${key}=${value}`,
  ]);
  const child = spawn(process.execPath, [packageRoot('dist/src/cli/index.js'), ...args, ...set], {
    cwd: folder,
  });
  const [[code], out, err] = await Promise.all([
    once(child, 'exit') as Promise<unknown[]>,
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, out, err };
}

describe.skipIf(skip)(`kindred cache with redis-server${skip === undefined ? '' : ` (${skip})`}`, () => {
  let redis: Redis;
  let url: Record<string, string>;
  beforeAll(async () => {
    redis = await startRedis();
    url = { 'cache.url': redis.url };
  });
  afterAll(() => redis.close());

  it('warms the server with lines of text and of JSON, names the lines it refuses, and finds the rest there again', async () => {
    const file = join(folder, 'popular.txt');
    writeFileSync(file, 'red shoes\n\n{"text": "blue shoes", "count": 7}\n{"texts": 1}\n  green shoes  \r\n');
    const first = await kindred(['cache', 'warm', file], url);
    expect(first.out).toContain('3 embeddings written, 0 were there already, 1 lines refused');
    expect(first.err).toContain('line 4: ');
    expect(first.code).toBe(1);
    writeFileSync(file, 'red shoes\nblue shoes\ngreen shoes\n');
    const second = await kindred(['cache', 'warm', file], url);
    expect(second.out).toContain('0 embeddings written, 3 were there already');
    expect(second.err).toContain('100%, 3 rows');
    expect(second.code).toBe(0);
    expect(await redis.command('DBSIZE')).toBeGreaterThanOrEqual(3);
  });

  it('warms for another purpose apart, in the version that was asked for', async () => {
    const file = join(folder, 'one.txt');
    writeFileSync(file, 'red shoes\n');
    const flags = ['--purpose', 'document', '--version', 'stable'];
    const { out } = await kindred(['cache', 'warm', file, ...flags], url);
    expect(out).toContain('1 embeddings written');
  });

  it('shows the tiers', async () => {
    const { out, code } = await kindred(['cache', 'stats', '--json'], url);
    expect(JSON.parse(out)).toMatchObject([
      { tier: 'memory', reachable: true },
      { tier: 'redis', reachable: true, entries: expect.any(Number) as number },
    ]);
    expect(code).toBe(0);
    expect((await kindred(['cache', 'stats'], url)).out).toMatch(/^redis +yes +\d+ /m);
  });

  it('says in doctor that the server works, and what a dead one needs', async () => {
    const [well, dead] = await Promise.all([
      kindred(['doctor'], url),
      kindred(['doctor'], { 'cache.url': `redis://127.0.0.1:${String(await freePort())}` }),
    ]);
    expect(well.out).toMatch(/^ok {4}cache: .* then redis, which answers/m);
    expect(dead.out).toMatch(/^FAIL {2}cache: redis: .*\n {6}Start the server, or check cache\.url/m);
    expect(dead.code).toBe(1);
  });
});

describe('kindred cache without a server', () => {
  it('says that there is nothing to warm when only memory is configured', async () => {
    const { err, code } = await kindred(['cache', 'warm', 'popular.txt']);
    expect(err).toContain('only memory is configured');
    expect(code).toBe(1);
  });

  it('says that a server is away before it computes anything', async () => {
    const away = { 'cache.url': `memcached://127.0.0.1:${String(await freePort())}` };
    const { err, code } = await kindred(['cache', 'warm', 'popular.txt'], away);
    expect(err).toContain('memcached does not work');
    expect(code).toBe(1);
    expect(await kindred(['cache', 'stats'], away)).toMatchObject({ code: 1 });
  });

  it('refuses what it does not know, with status 2', async () => {
    expect(await kindred(['cache', 'warm', 'popular.txt', '--purpose', 'fun'])).toMatchObject({ code: 2 });
    expect(await kindred(['cache', 'melt'])).toMatchObject({ code: 2 });
  });

  it('X3: a gateway starts and answers without its cache server, and counts what it could not ask', async () => {
    const server = await startServer({
      ...settings,
      'cache.url': `redis://user:hidden@127.0.0.1:${String(await freePort())}`,
    });
    try {
      const answer = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          query: '{ embed(inputs: [{ text: "a shoe" }]) { ... on Embedding { dimension } } }',
        }),
      });
      expect(await answer.json()).toEqual({ data: { embed: [{ dimension: 256 }] } });
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      expect(metrics).toMatch(
        /kindred_cache_lookups_total\{tier="redis",outcome="error",model="v1"[^}]*\} 1/,
      );
      expect(metrics).toMatch(
        /kindred_cache_lookups_total\{tier="memory",outcome="miss",model="v1"[^}]*\} 1/,
      );
    } finally {
      await server.stop();
    }
  });

  it('never shows the password in cache.url', () => {
    const config = loadConfig({ env: {}, flags: { 'cache.url': 'redis://user:hidden@host' } });
    expect(JSON.stringify(maskSecrets(config))).not.toContain('hidden');
    expect(() => loadConfig({ env: {}, flags: { 'cache.url': 'http://user:hidden@host' } })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hidden') as string }) as Error,
    );
  });
});
