import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMilvusStore } from '../src/vectors/milvus.js';
import type { MilvusOptions } from '../src/vectors/milvus-options.js';
import type { Collection, VectorRecord, VectorStore } from '../src/vectors/store.js';
import { record, unitVector } from './conformance/harness.js';
import { freePort } from './daemon.js';
import { type FaultyProxy, type Faults, startFaultyProxy } from './faulty-proxy.js';
import { type Milvus, milvusOptions, skipMilvus, startMilvus } from './milvus.js';

/** Time for what comes back to be found back, in ms: seconds, but a busy machine takes its own. */
const BACK_MS = 60_000;
const AWAY = { code: 'UPSTREAM_UNAVAILABLE' };

const skip = skipMilvus();

describe.skipIf(skip !== undefined)(
  `faults of the real Milvus${skip === undefined ? '' : ` (${skip})`}`,
  () => {
    let milvus: Milvus;
    let next = 0;
    const stores: VectorStore[] = [];
    const proxies: FaultyProxy[] = [];
    const storeOn = (address: string, over: Partial<MilvusOptions> = {}): VectorStore => {
      const store = createMilvusStore({ ...milvusOptions({ address }), timeoutMs: 1_000, ...over });
      stores.push(store);
      return store;
    };
    const proxied = async (faults: Faults = {}): Promise<FaultyProxy> => {
      const proxy = await startFaultyProxy(milvus.port, faults);
      proxies.push(proxy);
      return proxy;
    };
    const spec = () => ({ name: `Faults_${String((next += 1))}`, dimension: 8, fields: [] });
    const rows = (from: number, count: number): VectorRecord[] =>
      Array.from({ length: count }, (_, at) => record(`r${String(from + at)}`, {}, unitVector(from + at)));
    const ask = (collection: Collection, signal?: AbortSignal) =>
      collection.search([unitVector(1)], { limit: 1, signal });
    /** Waits until a search answers. */
    const answersAgain = async (collection: Collection): Promise<void> => {
      await expect
        .poll(() => ask(collection).catch(() => undefined), { timeout: BACK_MS })
        .toMatchObject([[{}]]);
    };

    beforeAll(async () => {
      milvus = await startMilvus();
    });
    afterEach(async () => {
      for (const store of stores.splice(0)) await store.close();
      for (const proxy of proxies.splice(0)) await proxy.close();
    });
    afterAll(() => milvus.close());

    it('X1: killed while it is written to, it has every acknowledged row when it is back, and the same store goes on', async () => {
      const collection = await storeOn(milvus.address, { timeoutMs: 5_000 }).open(spec());
      let acknowledged = 0;
      let failure: unknown;
      const writing = (async () => {
        while (failure === undefined) {
          await collection.upsert(rows(acknowledged, 20)).then(
            () => (acknowledged += 20),
            (error: unknown) => (failure = error),
          );
        }
      })();
      await expect.poll(() => acknowledged, { timeout: BACK_MS }).toBeGreaterThan(100);
      await milvus.kill();
      await writing;
      expect(failure).toMatchObject(AWAY);
      await expect(ask(collection)).rejects.toMatchObject(AWAY);
      expect(collection.fault?.()).toBeUndefined();
      await milvus.restart();
      await answersAgain(collection);
      const ids = Array.from({ length: acknowledged }, (_, at) => `r${String(at)}`);
      await expect
        .poll(() => collection.hashes(ids).then((hashes) => hashes.filter((hash) => hash === null).length), {
          timeout: BACK_MS,
        })
        .toBe(0);
      await collection.upsert(rows(acknowledged, 20));
      expect(await collection.fetch([`r${String(acknowledged)}`])).not.toEqual([null]);
    });

    it('X2: frozen, it fails each request in time, then at once, and is found back', async () => {
      const collection = await storeOn(milvus.address, { timeoutMs: 300 }).open(spec());
      await collection.upsert(rows(0, 5));
      milvus.freeze();
      try {
        for (let failures = 0; failures < 5; failures += 1)
          await expect(ask(collection)).rejects.toMatchObject({
            ...AWAY,
            message: expect.stringContaining('in time') as string,
          });
        await expect(ask(collection)).rejects.toMatchObject({
          ...AWAY,
          message: expect.stringContaining('not asked, since') as string,
        });
        expect(collection.fault?.()).toMatch(/in time/);
      } finally {
        milvus.thaw();
      }
      await answersAgain(collection);
      await expect.poll(() => collection.fault?.(), { timeout: BACK_MS }).toBeUndefined();
    });

    it('X2: a request whose own time is up does not wait for a frozen one', async () => {
      const collection = await storeOn(milvus.address, { timeoutMs: 60_000 }).open(spec());
      milvus.freeze();
      try {
        await expect(ask(collection, AbortSignal.timeout(200))).rejects.toMatchObject({
          code: 'REQUEST_CANCELLED',
        });
      } finally {
        milvus.thaw();
      }
    });

    it.each<[string, Faults]>([
      ['late and uneven', { latencyMs: 100, jitterMs: 80 }],
      ['cut into small pieces', { sliceBytes: 7 }],
      ['narrow', { bandwidth: 50_000 }],
    ])('X4: a network that is %s changes no answer', async (_, faults) => {
      const proxy = await proxied();
      const collection = await storeOn(`127.0.0.1:${String(proxy.port)}`, { timeoutMs: 20_000 }).open(spec());
      await collection.upsert(rows(0, 10));
      proxy.set(faults);
      const [[best] = []] = await collection.search([unitVector(3)], { limit: 1 });
      expect(best?.id).toBe('r3');
      expect((await collection.fetch(['r1', 'none', 'r2'])).map((item) => item?.id)).toEqual([
        'r1',
        undefined,
        'r2',
      ]);
    });

    it.each<[string, Faults]>([
      ['resets connections', { resetPeer: true }],
      ['swallows everything', { blackHole: true }],
      ['ends in the middle of answers', { limitBytes: 1 }],
    ])('X4: a network that %s fails typed, makes no storm of tries, and is found back', async (_, faults) => {
      const proxy = await proxied();
      const collection = await storeOn(`127.0.0.1:${String(proxy.port)}`).open(spec());
      await collection.upsert(rows(0, 5));
      await ask(collection);
      proxy.set(faults);
      const before = proxy.seen.connections;
      for (let failures = 0; failures < 20; failures += 1)
        await expect(ask(collection)).rejects.toMatchObject(AWAY);
      expect(proxy.seen.connections - before).toBeLessThanOrEqual(22);
      proxy.set({});
      await answersAgain(collection);
    });

    it('X16: a collection that was dropped fails typed, is told by its fault, and is never made anew empty', async () => {
      const store = storeOn(milvus.address);
      const wanted = spec();
      const collection = await store.open(wanted);
      await storeOn(milvus.address).drop(wanted.name);
      await expect(ask(collection)).rejects.toMatchObject(AWAY);
      await expect(collection.upsert(rows(0, 1))).rejects.toMatchObject(AWAY);
      await expect.poll(() => collection.fault?.(), { timeout: BACK_MS }).toMatch(/gone from Milvus/);
      expect(await store.list()).not.toContain(wanted.name);
    });

    it('X16: a collection that was released is loaded again', async () => {
      const collection = await storeOn(milvus.address).open(spec());
      await collection.upsert(rows(0, 5));
      const { MilvusClient } = await import('@zilliz/milvus2-sdk-node');
      const client = new MilvusClient({ address: milvus.address, telemetry: { enabled: false } });
      await client.releaseCollection({ collection_name: collection.spec.name });
      await expect(ask(collection)).rejects.toMatchObject(AWAY);
      await answersAgain(collection);
      await expect.poll(() => collection.fault?.(), { timeout: BACK_MS }).toBeUndefined();
      await client.closeConnection();
    });

    it('X16: another dimension, and one that is not loaded in time, are refused when they are opened', async () => {
      const wanted = spec();
      await storeOn(milvus.address).open(wanted);
      await expect(storeOn(milvus.address).open({ ...wanted, dimension: 16 })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        message: expect.stringContaining('8 dimensions') as string,
      });
      await expect(storeOn(milvus.address, { loadTimeoutMs: 0 }).open(spec())).rejects.toMatchObject({
        ...AWAY,
        message: expect.stringContaining('not loaded') as string,
      });
    });

    it.each<[string, () => Promise<string>]>([
      ['a name that does not resolve', () => Promise.resolve('no-such-host.invalid:19530')],
      ['a port that refuses', async () => `127.0.0.1:${String(await freePort())}`],
      [
        'a server that accepts and says nothing',
        async () => `127.0.0.1:${String((await proxied({ blackHole: true })).port)}`,
      ],
    ])('X17: %s fails typed, and ends nothing', async (_, addressOf) => {
      const store = storeOn(await addressOf(), { writeTimeoutMs: 2_000 });
      await expect(store.check()).rejects.toMatchObject(AWAY);
      await expect(store.open(spec())).rejects.toMatchObject(AWAY);
    });

    it('X24: a server that starts after the store is found by the same store', async () => {
      await milvus.kill();
      const store = storeOn(milvus.address, { writeTimeoutMs: 2_000 });
      const wanted = spec();
      await expect(store.open(wanted)).rejects.toMatchObject(AWAY);
      await milvus.restart();
      const opened = async (): Promise<string | undefined> =>
        (
          await storeOn(milvus.address)
            .open(wanted)
            .catch(() => undefined)
        )?.spec.name;
      await expect.poll(opened, { timeout: BACK_MS, interval: 500 }).toBe(wanted.name);
      await expect
        .poll(
          () =>
            store.open(wanted).then(
              () => 'open',
              () => 'away',
            ),
          { timeout: BACK_MS },
        )
        .toBe('open');
    });
  },
);
