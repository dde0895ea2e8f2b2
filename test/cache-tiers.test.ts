import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { encodeEmbedding, maxEncodedBytes } from '../src/cache/codec.js';
import { embeddingKey, keyPrefix } from '../src/cache/key.js';
import { createMemcachedStore } from '../src/cache/memcached.js';
import { createMemoryTier } from '../src/cache/memory.js';
import { createRedisStore } from '../src/cache/redis.js';
import { createRemoteTier } from '../src/cache/remote.js';
import type { CacheTier } from '../src/cache/tier.js';
import { createTieredCache } from '../src/cache/tiers.js';
import { parseCacheUrl } from '../src/cache/url.js';
import { noTelemetry } from '../src/telemetry.js';
import { describeCacheTier, embeddingOf } from './conformance/cache.js';
import { skipWithout } from './daemon.js';
import { type FaultyProxy, startFaultyProxy } from './faulty-proxy.js';
import { startMemcached } from './memcached.js';
import { type Redis, startRedis } from './redis.js';

// Lookups have all the time that a busy machine may need: what is slow is another file's matter.
const patient = { ttlSeconds: 60, timeoutMs: 5_000 };

describeCacheTier('memory', () => {
  const tier = createMemoryTier({ maxBytes: 10_000_000, ttlSeconds: 60 });
  return Promise.resolve({ tier, close: () => tier.close() });
});

const noRedis = skipWithout('redis-server');
const noMemcached = skipWithout('memcached');

describe.skipIf(noRedis)(`with redis-server${noRedis === undefined ? '' : ` (${noRedis})`}`, () => {
  describeCacheTier('redis', async () => {
    const server = await startRedis();
    const tier = createRemoteTier({ ...patient, store: createRedisStore(server.url) });
    return {
      tier,
      close: async () => {
        await tier.close();
        await server.close();
      },
    };
  });

  describe('a Redis tier behind a password', () => {
    let server: Redis;
    const entry = { key: 'kindred:k', value: 'v' };
    const open = (login: string): CacheTier =>
      createRemoteTier({
        ...patient,
        store: createRedisStore(`redis://${login}127.0.0.1:${String(server.port)}`),
      });
    beforeAll(async () => {
      const acl = ['--user', 'kindred', 'on', '+@all', '~kindred:*', '>s3cret/@'];
      server = await startRedis('--requirepass', 'p@ss', ...acl);
    });
    afterAll(() => server.close());

    it.each(['default:p%40ss@', ':p%40ss@', 'kindred:s3cret%2F%40@'])(
      'keeps and gives back as the user of the URL %s',
      async (login) => {
        const tier = open(login);
        await vi.waitFor(async () => {
          expect(await tier.stats()).toMatchObject({ reachable: true });
        });
        await tier.setMany([entry]);
        await tier.flush();
        expect(await tier.getMany([entry.key], 100)).toEqual(['v']);
        await tier.close();
      },
    );

    it.each(['', ':wrong@', 'nobody:p%40ss@'])(
      'is not reachable with the login %j, which no error quotes',
      async (login) => {
        const tier = open(login);
        let failure: unknown;
        await vi.waitFor(async () => {
          failure = await tier.getMany([entry.key], 100).catch((error: unknown) => error);
          expect(String(failure)).toMatch(/NOAUTH|WRONGPASS/);
        });
        expect(String(failure)).not.toMatch(/wrong|p@ss|p%40ss/);
        expect(await tier.stats()).toMatchObject({ reachable: false });
        await tier.close();
      },
    );
  });

  describe('a Redis tier', () => {
    let server: Redis;
    let proxy: FaultyProxy;
    let tier: CacheTier;
    const model = { id: 'fake', dimension: 384 };
    const textKey = (text: string): string => embeddingKey('digest', 'query', text);
    const serverKey = (text: string): string => keyPrefix('test') + textKey(text);
    beforeAll(async () => {
      server = await startRedis();
      proxy = await startFaultyProxy(server.port);
      tier = createRemoteTier({
        ...patient,
        store: createRedisStore(`redis://127.0.0.1:${String(proxy.port)}`),
      });
      await tier.stats();
    });
    afterEach(() => server.command('FLUSHALL'));
    afterAll(async () => {
      await tier.close();
      await proxy.close();
      await server.close();
    });

    it.each([64, 512])(
      'K1: a value of %d MiB, and a list, under keys of its own are misses of which hardly a byte is read',
      async (mebibytes) => {
        await server.command('SETRANGE', serverKey('huge'), String(mebibytes * 2 ** 20 - 1), 'x');
        await server.command('RPUSH', serverKey('list'), 'x');
        const value = encodeEmbedding(serverKey('good'), embeddingOf(1));
        await server.command('SET', serverKey('good'), value);
        const before = proxy.seen.bytes;
        const cache = createTieredCache({ tiers: [tier], namespace: 'test', telemetry: noTelemetry() });
        const found = await cache.getMany(['huge', 'list', 'good'].map(textKey), model);
        expect(found).toEqual([undefined, undefined, embeddingOf(1)]);
        expect(proxy.seen.bytes - before).toBeLessThan(3 * maxEncodedBytes(384));
      },
    );

    it('asks for many keys in one round trip', async () => {
      await tier.setMany(Array.from({ length: 64 }, (_, at) => ({ key: `k${at}`, value: `v${at}` })));
      await tier.flush();
      const slow = await startFaultyProxy(server.port, { latencyMs: 200 });
      const over = createRemoteTier({
        ...patient,
        store: createRedisStore(`redis://127.0.0.1:${slow.port}`),
      });
      try {
        await over.stats();
        // 64 round trips of 200 ms each would be 12.8 s, and the limit is 5.
        const values = await over.getMany(
          Array.from({ length: 64 }, (_, at) => `k${at}`),
          100,
        );
        expect(values).toEqual(Array.from({ length: 64 }, (_, at) => `v${at}`));
      } finally {
        await over.close();
        await slow.close();
      }
    });

    it('puts what the server has into memory, under the same key, and asks the server no more', async () => {
      const memory = createMemoryTier({ maxBytes: 1_000_000, ttlSeconds: 60 });
      const both = createTieredCache({ tiers: [memory, tier], namespace: 'test', telemetry: noTelemetry() });
      const alone = createTieredCache({ tiers: [tier], namespace: 'test', telemetry: noTelemetry() });
      await alone.setMany([[textKey('a shoe'), embeddingOf(1)]]);
      await alone.flush();
      for (let time = 0; time < 2; time++)
        expect(await both.getMany([textKey('a shoe'), textKey('a hat')], model)).toEqual([
          embeddingOf(1),
          undefined,
        ]);
      expect(both.counts()).toMatchObject([
        { tier: 'memory', lookups: { hit: 1, miss: 3, error: 0 } },
        { tier: 'redis', lookups: { hit: 1, miss: 2, error: 0 } },
      ]);
    });

    it('lets values go after their time to live', async () => {
      await tier.setMany([{ key: 'k', value: 'v' }]);
      await tier.flush();
      const left = Number(await server.command('PTTL', 'k'));
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(60_000);
    });

    it('tells a full server without eviction, and a replica, by what they are', async () => {
      await server.command('CONFIG', 'SET', 'maxmemory', '100mb');
      expect((await tier.stats()).note).toContain('noeviction');
      await server.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
      expect((await tier.stats()).note).toBeUndefined();
      await server.command('REPLICAOF', '127.0.0.1', '1');
      expect((await tier.stats()).note).toContain('replica');
      await server.command('REPLICAOF', 'NO', 'ONE');
    });
  });
});

describe.skipIf(noMemcached)(`with memcached${noMemcached === undefined ? '' : ` (${noMemcached})`}`, () => {
  const open = async (
    ttlSeconds = 60,
  ): Promise<{ tier: CacheTier; port: number; close: () => Promise<void> }> => {
    const server = await startMemcached();
    const store = createMemcachedStore({ host: '127.0.0.1', port: server.port });
    const tier = createRemoteTier({ ...patient, ttlSeconds, store });
    return {
      tier,
      port: server.port,
      close: async () => {
        await tier.close();
        await server.close();
      },
    };
  };
  describeCacheTier('memcached', open);

  it('keeps a value for longer than the 30 days from which Memcached reads a date', async () => {
    const { tier, close } = await open(90 * 86_400);
    try {
      await tier.setMany([{ key: 'k', value: 'v' }]);
      await tier.flush();
      expect(await tier.getMany(['k'], 10)).toEqual(['v']);
    } finally {
      await close();
    }
  });

  it('sends the questions for many keys before the first answer is there', async () => {
    const { tier, port, close } = await open();
    const keys = Array.from({ length: 64 }, (_, at) => `k${at}`);
    await tier.setMany(keys.map((key) => ({ key, value: key })));
    await tier.flush();
    const slow = await startFaultyProxy(port, { latencyMs: 200 });
    const store = createMemcachedStore({ host: '127.0.0.1', port: slow.port });
    const over = createRemoteTier({ ...patient, store });
    try {
      expect(await over.getMany(keys, 10)).toEqual(keys);
    } finally {
      await over.close();
      await slow.close();
      await close();
    }
  });

  it('K1: a value of the largest size that Memcached takes is a miss', async () => {
    const { tier, close } = await open();
    try {
      await tier.setMany([{ key: 'k', value: 'x'.repeat(1_000_000) }]);
      await tier.flush();
      expect(await tier.getMany(['k'], 2_000)).toEqual([undefined]);
    } finally {
      await close();
    }
  });
});

describe('the memory tier', () => {
  it('keeps to its bytes, and forgets the least recently used first', async () => {
    const tier = createMemoryTier({ maxBytes: 100_000, ttlSeconds: 60 });
    const value = 'x'.repeat(2_000);
    await tier.setMany([{ key: 'hot', value }]);
    for (let at = 0; at < 1_000; at++) {
      await tier.setMany([{ key: `k${at}`, value }]);
      expect(await tier.getMany(['hot'], 2_000)).toEqual([value]);
      const { bytes = Infinity } = await tier.stats();
      expect(bytes).toBeLessThanOrEqual(100_000);
    }
    expect(await tier.getMany(['k0', 'k999'], 2_000)).toEqual([undefined, value]);
  });

  it('does not keep a value that is larger than all its room', async () => {
    const tier = createMemoryTier({ maxBytes: 1_000, ttlSeconds: 60 });
    await tier.setMany([{ key: 'k', value: 'x'.repeat(2_000) }]);
    expect(await tier.getMany(['k'], 2_000)).toEqual([undefined]);
  });

  it('forgets what is older than its time to live', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const tier = createMemoryTier({ maxBytes: 10_000, ttlSeconds: 60 });
      await tier.setMany([{ key: 'a', value: '1' }]);
      expect(await tier.getMany(['a'], 10)).toEqual(['1']);
      vi.advanceTimersByTime(60_001);
      expect(await tier.getMany(['a'], 10)).toEqual([undefined]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('cache.url', () => {
  it.each([
    ['redis://localhost', { kind: 'redis', url: 'redis://localhost' }],
    ['valkey://u:p@host:1/2', { kind: 'redis', url: 'redis://u:p@host:1/2' }],
    ['valkeys://host', { kind: 'redis', url: 'rediss://host' }],
    ['memcached://host', { kind: 'memcached', host: 'host', port: 11_211 }],
    [
      'memcached://u%40:p%3A@10.0.0.1:9',
      { kind: 'memcached', host: '10.0.0.1', port: 9, username: 'u@', password: 'p:' },
    ],
  ])('reads %s', (url, server) => {
    expect(parseCacheUrl(url)).toEqual(server);
  });

  it.each([
    '',
    'localhost:6379',
    'http://host',
    'redis://',
    'redis://host/name',
    'memcached://[::1]:1',
    'memcached://%@host',
  ])('refuses %j', (url) => {
    expect(parseCacheUrl(url)).toBeUndefined();
  });
});
