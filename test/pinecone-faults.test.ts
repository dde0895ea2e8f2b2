import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { optionalPackage } from '../src/vectors/optional-package.js';
import { createPineconeStore } from '../src/vectors/pinecone.js';
import type { PineconeOptions } from '../src/vectors/pinecone-connection.js';
import type { Collection, VectorStore } from '../src/vectors/store.js';
import { record, unitVector } from './conformance/harness.js';
import type { ModelServer } from './model-server.js';
import { startPineconeServer } from './pinecone-server.js';

const SPEC = { name: 'Faults', dimension: 8, fields: [{ name: 'brand', type: 'string' as const }] };

describe('Pinecone in trouble', () => {
  let server: ModelServer;
  let told: string[];
  const store = (over: Partial<PineconeOptions> = {}): VectorStore =>
    createPineconeStore({
      apiKey: 'test-key',
      hosts: [server.url],
      timeoutMs: 1_500,
      writeTimeoutMs: 1_500,
      concurrency: 8,
      onAway: () => told.push('away'),
      onBack: () => told.push('back'),
      ...over,
    });
  const filled = async (): Promise<Collection> => {
    const collection = await store().open(SPEC);
    await collection.upsert([record('a', { brand: 'x' }), record('b')]);
    return collection;
  };
  const search = (collection: Collection): Promise<unknown> =>
    collection.search([unitVector(1)], { limit: 2 });

  beforeEach(async () => {
    told = [];
    server = await startPineconeServer({ dimension: 8 });
  });
  afterEach(() => server.stop());

  it('X1: fails typed while nobody listens, tells once, and goes on by itself when somebody does', async () => {
    const collection = await filled();
    await server.stop();
    for (let turn = 0; turn < 6; turn += 1)
      await expect(search(collection)).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    expect(collection.fault?.()).toMatch(/can't be reached/);
    expect(told).toEqual(['away']);
    await server.start();
    await expect.poll(() => search(collection).catch(() => 'fails'), { timeout: 10_000 }).toHaveLength(1);
    expect(told).toEqual(['away', 'back']);
    expect(collection.fault?.()).toBeUndefined();
    expect(await collection.hashes(['a', 'b'])).toEqual(['hash of a', 'hash of b']);
  });

  it('X2: does not wait longer than its time for a server that says nothing', async () => {
    const collection = await filled();
    server.fault = () => 'hang';
    await expect(search(collection)).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      message: expect.stringMatching(/did not answer in time/) as string,
    });
  });

  it('tries again what met a fault of the server, and says so when that does not help', async () => {
    const collection = await filled();
    const sick = { status: 503, body: '{}' };
    let left = 1;
    server.fault = () => (left-- > 0 ? sick : undefined);
    expect(await search(collection)).toMatchObject([{ length: 2 }]);
    server.fault = () => sick;
    await expect(search(collection)).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    server.fault = () => ({ status: 429, body: '{"message":"slow down"}' });
    await expect(search(collection)).rejects.toMatchObject({ code: 'OVERLOADED', retryAfterMs: 1_000 });
  });

  it('names credentials that are not accepted, without them', async () => {
    const collection = store({ apiKey: 'a-secret' }).open(SPEC);
    await expect(collection).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      message: expect.stringMatching(/credentials/) as string,
    });
    const error: unknown = await collection.catch((reason: unknown) => reason);
    for (let at = error; at instanceof Error; at = at.cause) expect(at.message).not.toContain('a-secret');
  });

  it('says what to do without a key, without an index of the dimension, and without its package', async () => {
    await expect(store({ apiKey: null }).open(SPEC)).rejects.toThrow(/needs store.pinecone.apiKey/);
    for (const call of ['check', 'list'] as const)
      await expect(store({ hosts: [] })[call]()).rejects.toThrow(/needs store.pinecone.apiKey and/);
    await expect(store({ hosts: [] }).open(SPEC)).rejects.toThrow(/needs store.pinecone.apiKey and/);
    await expect(store().open({ ...SPEC, dimension: 12 })).rejects.toThrow(
      /none of the indexes in store.pinecone.hosts has 12 dimensions/,
    );
    const missing = '@pinecone-database/never-there';
    await expect(optionalPackage(missing, 'store.adapter pinecone', () => import(missing))).rejects.toThrow(
      `npm install ${missing}`,
    );
  });

  it('keeps an item of a hundred kilobytes that compresses, refuses one that does not, and writes nothing of its call', async () => {
    const collection = await filled();
    const long = 'the same words again and again '.repeat(4_000);
    await collection.upsert([record('long', { brand: long })]);
    expect(await collection.fetch(['long'])).toEqual([{ id: 'long', fields: { brand: long } }]);
    expect(await collection.count({ kind: 'eq', field: 'brand', value: long })).toBe(1);
    expect(await collection.count({ kind: 'eq', field: 'brand', value: `${long}.` })).toBe(0);
    const noise = Array.from({ length: 60_000 }, (_, i) =>
      String.fromCharCode(0x4e00 + ((i * 7919) % 20_000)),
    );
    await expect(
      collection.upsert([record('good'), record('bad', { brand: noise.join('') })]),
    ).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(await collection.fetch(['good'])).toEqual([null]);
  });

  it('sends as many records in a call as Pinecone takes, and all of them', async () => {
    const collection = await store().open(SPEC);
    await collection.upsert(Array.from({ length: 2_500 }, (_, i) => record(`r${String(i)}`)));
    expect(await collection.count()).toBe(2_500);
    const writes = server.requests.filter(({ path }) => path === '/vectors/upsert');
    expect(writes.length).toBeGreaterThanOrEqual(3);
  });
});
