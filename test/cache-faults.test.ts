import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createMemcachedStore } from '../src/cache/memcached.js';
import { createMemoryTier } from '../src/cache/memory.js';
import { createRedisStore } from '../src/cache/redis.js';
import { type RemoteStore, type RemoteTier, createRemoteTier } from '../src/cache/remote.js';
import { type EmbeddingCache, createTieredCache } from '../src/cache/tiers.js';
import { createCachedEmbedder } from '../src/embedding/cached.js';
import type { Embedder } from '../src/embedding/embedder.js';
import { noTelemetry } from '../src/telemetry.js';
import { asEmbedding } from './conformance/embedder.js';
import { type Daemon, skipWithout } from './daemon.js';
import { createFakeEmbedder } from './fake-embedder.js';
import { type FaultyProxy, type Faults, startFaultyProxy } from './faulty-proxy.js';
import { startMemcached } from './memcached.js';
import { type Redis, startRedis } from './redis.js';

/** Time that an answer may take on a busy machine before a test calls it stuck, in ms: a request's usual deadline. */
const STUCK_MS = 10_000;
/** Time that a lookup may take, in ms: more than the 50 of the default, which a busy test machine needs for itself now and then. */
const TIMEOUT_MS = 250;
/** Time for a server to be found back, in ms: its client connects again within 2 s. */
const BACK_MS = 30_000;

/** What a test sees of an embedder whose cache has a server as its second tier. */
interface Rig {
  readonly embedder: Embedder;
  readonly cache: EmbeddingCache;
  readonly tier: RemoteTier;
  /** How often each text was computed. */
  readonly computed: Map<string, number>;
  /** Bypasses as they were told to the log. */
  readonly told: { calls: string; bypassed: boolean; reason?: string }[];
}

function createRig(store: RemoteStore, { memoryBytes = 1, maxWaitingBytes = 1 << 20 } = {}): Rig {
  const told: Rig['told'] = [];
  const tier = createRemoteTier({
    store,
    ttlSeconds: 60,
    timeoutMs: TIMEOUT_MS,
    retryMs: 100,
    maxWaitingBytes,
    onBypass: (event) => told.push(event),
  });
  const memory = createMemoryTier({ maxBytes: memoryBytes, ttlSeconds: 60 });
  const telemetry = noTelemetry();
  const cache = createTieredCache({ tiers: [memory, tier], namespace: 'test', telemetry });
  const fake = createFakeEmbedder();
  const computed = new Map<string, number>();
  const counting: Embedder = {
    ...fake,
    embed: (texts, options) => {
      for (const text of texts) computed.set(text, (computed.get(text) ?? 0) + 1);
      return fake.embed(texts, options);
    },
  };
  const embedder = createCachedEmbedder({ inner: counting, cache, limits: { textBytes: 1_000 }, telemetry });
  return { embedder, cache, tier, computed, told };
}

const truth = createFakeEmbedder();

/** Asks for texts and holds their answers against those of an embedder without a cache; fails when they are stuck. */
async function ask({ embedder }: Rig, texts: readonly string[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error('expected an answer, but got none'));
    }, STUCK_MS);
  });
  const answers = await Promise.race([embedder.embed(texts, { purpose: 'query' }), stuck]);
  clearTimeout(timer);
  const expected = await truth.embed(texts, { purpose: 'query' });
  expect(answers.map(asEmbedding)).toEqual(expected);
}

/** Eight askers at once, each with two texts of `pool` at a time, while `fault` happens, until it is over. */
async function underLoad(rig: Rig, pool: readonly string[], fault: () => Promise<void>): Promise<number> {
  let asked = 0;
  let over = false;
  const askers = Array.from({ length: 8 }, async (_, asker) => {
    for (let at = asker; !over; at += 3) {
      const two = [pool[at % pool.length]!, pool[(at * 7 + 1) % pool.length]!];
      await ask(rig, two);
      asked += 1;
      // A process that does nothing else would be late for every answer of the server.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });
  try {
    await fault();
  } finally {
    over = true;
    await Promise.all(askers);
  }
  return asked;
}

const pool = Array.from({ length: 100 }, (_, at) => `text number ${String(at)}`);
const hits = ({ cache }: Rig): number => cache.counts()[1]?.lookups.hit ?? 0;
const errors = ({ cache }: Rig): number => cache.counts()[1]?.lookups.error ?? 0;
const until = (condition: () => void): Promise<void> =>
  vi.waitFor(condition, { timeout: BACK_MS, interval: 5 });
const untilHits = async (rig: Rig): Promise<void> => {
  const before = hits(rig);
  await until(() => {
    expect(hits(rig)).toBeGreaterThan(before + 10);
  });
};
const untilBypassed = (rig: Rig): Promise<void> =>
  until(() => {
    expect(rig.tier.bypassed().reads).toBe(true);
  });

interface ServerKind {
  readonly name: string;
  readonly program: string;
  readonly start: () => Promise<Daemon>;
  readonly open: (port: number) => RemoteStore;
}

const kinds: ServerKind[] = [
  {
    name: 'Redis',
    program: 'redis-server',
    start: startRedis,
    open: (port) => createRedisStore(`redis://127.0.0.1:${String(port)}`),
  },
  {
    name: 'Memcached',
    program: 'memcached',
    start: startMemcached,
    open: (port) => createMemcachedStore({ host: '127.0.0.1', port }),
  },
];

describe.each(kinds)('a cache on $name', ({ program, start, open }) => {
  const skip = skipWithout(program);
  describe.skipIf(skip)(`with ${program}${skip === undefined ? '' : ` (${skip})`}`, () => {
    let server: Daemon;
    let proxy: FaultyProxy;
    let rig: Rig;
    beforeAll(async () => {
      server = await start();
      proxy = await startFaultyProxy(server.port);
    });
    beforeEach(async () => {
      rig = createRig(open(proxy.port));
      expect(await rig.tier.stats()).toMatchObject({ reachable: true });
    });
    afterEach(() => rig.cache.close());
    afterAll(async () => {
      await proxy.close();
      await server.close();
    });

    it('X3: killed and started again under load, answers stay correct, lookups bypass it and find it back', async () => {
      await underLoad(rig, pool, async () => {
        await untilHits(rig);
        await server.kill();
        await untilBypassed(rig);
        await server.restart();
        await untilHits(rig);
      });
      expect(errors(rig)).toBeGreaterThan(0);
      expect(rig.told.filter(({ calls }) => calls === 'reads').map(({ bypassed }) => bypassed)).toEqual(
        expect.arrayContaining([true, false]),
      );
    });

    it('X3: frozen and thawed under load, answers stay correct, lookups bypass it and find it back', async () => {
      await underLoad(rig, pool, async () => {
        await untilHits(rig);
        server.freeze();
        await untilBypassed(rig);
        server.thaw();
        await untilHits(rig);
      });
      expect(rig.told[0]).toMatchObject({ bypassed: true });
    });

    it('X3: frozen, each of many askers gets its answer, and each text is computed once', async () => {
      server.freeze();
      try {
        const one = createRig(open(proxy.port), { memoryBytes: 1 << 20 });
        await Promise.all(
          Array.from({ length: 200 }, (_, at) => ask(one, [`text ${String(at % 10)}`, 'same'])),
        );
        expect([...one.computed.values()]).toEqual(Array.from({ length: 11 }, () => 1));
        await one.tier.close();
      } finally {
        server.thaw();
      }
    });

    it('X3: dead, each of many askers gets its answer, and each text is computed once', async () => {
      await server.kill();
      const one = createRig(open(server.port), { memoryBytes: 1 << 20 });
      for (let time = 0; time < 3; time++)
        await Promise.all(
          Array.from({ length: 200 }, (_, at) => ask(one, [`text ${String(at % 10)}`, 'same'])),
        );
      expect([...one.computed.values()]).toEqual(Array.from({ length: 11 }, () => 1));
      await one.cache.close();
      await server.restart();
    });

    it('X3: writes for a frozen server wait up to their bound, and beyond are dropped', async () => {
      server.freeze();
      try {
        const small = createRig(open(proxy.port), { maxWaitingBytes: 5_000 });
        for (let at = 0; at < 200; at++) await ask(small, [`text ${String(at)}`]);
        // A value of 16 numbers takes about 110 bytes; one batch of 64 is under way.
        expect(small.tier.writes?.()).toMatchObject({ written: 0 });
        expect(small.tier.writes?.().dropped).toBeGreaterThan(50);
        await small.cache.close();
      } finally {
        server.thaw();
      }
    });

    const faults: [string, Faults][] = [
      ['a latency of 300 ms', { latencyMs: 300 }],
      ['a latency of 200 ms with 200 of jitter', { latencyMs: 200, jitterMs: 200 }],
      ['a bandwidth of 1 kB/s', { bandwidth: 1_000 }],
      ['pieces of 7 bytes', { sliceBytes: 7 }],
      ['connections that end after 300 bytes', { limitBytes: 300 }],
      ['connections that are reset', { resetPeer: true }],
      ['a server that never answers', { blackHole: true }],
    ];
    it.each(faults)('X4: with %s answers stay correct, and all is well when it ends', async (_, fault) => {
      let connections = 0;
      const asked = await underLoad(rig, pool, async () => {
        await untilHits(rig);
        const before = proxy.seen.connections;
        proxy.set(fault);
        await new Promise((resolve) => setTimeout(resolve, 350));
        connections = proxy.seen.connections - before;
        proxy.set({});
        await untilHits(rig);
      });
      // No storm: a bypassed server is tried once in 100 ms, and while it is not bypassed calls share a connection.
      expect(connections).toBeLessThan(Math.max(20, asked / 10));
    });
  });
});

const noRedis = skipWithout('redis-server');
describe.skipIf(noRedis)(
  `a cache on a Redis that takes no writes${noRedis === undefined ? '' : ` (${noRedis})`}`,
  () => {
    let server: Redis;
    let rig: Rig;
    beforeEach(async () => {
      server = await startRedis();
      rig = createRig(createRedisStore(server.url));
      expect(await rig.tier.stats()).toMatchObject({ reachable: true });
    });
    afterEach(async () => {
      await rig.cache.close();
      await server.close();
    });
    const untilWritesBypassed = (): Promise<void> =>
      until(() => {
        expect(rig.tier.bypassed().writes).toBe(true);
      });

    it('X3: FLUSHALL under load costs computing and nothing else', async () => {
      await underLoad(rig, pool, async () => {
        for (let time = 0; time < 5; time++) {
          await untilHits(rig);
          await server.command('FLUSHALL');
        }
      });
      expect(hits(rig)).toBeGreaterThan(50);
      expect(rig.tier.writes?.().written).toBeGreaterThan(50);
    });

    it('X3: full and without eviction, it still answers lookups while writes bypass it', async () => {
      for (const text of pool) await ask(rig, [text]);
      await rig.cache.flush();
      await server.command('CONFIG', 'SET', 'maxmemory', '1');
      let fresh = 0;
      await underLoad(rig, pool, async () => {
        await until(() => {
          void ask(rig, [`new text ${String(fresh++)}`]);
          expect(rig.tier.bypassed().writes).toBe(true);
        });
        await untilHits(rig);
        await server.command('CONFIG', 'SET', 'maxmemory', '0');
        await until(() => {
          void ask(rig, [`new text ${String(fresh++)}`]);
          expect(rig.tier.bypassed().writes).toBe(false);
        });
      });
      expect(rig.tier.bypassed().reads).toBe(false);
      expect(rig.told.every(({ calls }) => calls === 'writes')).toBe(true);
      expect(rig.told[0]?.reason).toMatch(/OOM/);
    });

    it('X3: as a READONLY replica it answers lookups while writes bypass it', async () => {
      for (const text of pool.slice(0, 50)) await ask(rig, [text]);
      await rig.cache.flush();
      // Its master is nobody, so that it keeps what it has.
      await server.command('REPLICAOF', '127.0.0.1', '1');
      await underLoad(rig, pool, async () => {
        await untilWritesBypassed();
        await untilHits(rig);
      });
      expect(rig.told[0]).toMatchObject({ calls: 'writes', bypassed: true });
      expect(rig.told[0]?.reason).toMatch(/READONLY/);
    });

    it('X3: one that is not there yet fails nothing, and is used once it comes', async () => {
      await server.kill();
      const early = createRig(createRedisStore(server.url));
      await ask(early, ['a shoe']);
      await server.restart();
      await underLoad(early, pool, () => untilHits(early));
      await early.cache.close();
    });
  },
);
