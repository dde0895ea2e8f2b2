import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApqStore } from '../src/http/apq.js';
import { type Answer, send, startTestServer, type TestServer } from './http-server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.server.close());

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const persisted = (sha256Hash: unknown): object => ({ persistedQuery: { version: 1, sha256Hash } });
const code = ({ body }: Answer): unknown => body.errors?.[0]?.extensions.code;

const get = (parameters: Record<string, string>): Promise<Answer> =>
  send(`${server.url}/graphql?${new URLSearchParams(parameters).toString()}`, {
    headers: { 'apollo-require-preflight': '1' },
  });

describe('automatic persisted queries', () => {
  it('are asked for by hash, registered once with their text, then found over POST and GET', async () => {
    const query = 'query Registered { hello }';
    const extensions = persisted(sha256(query));
    expect(code(await server.post({ extensions }))).toBe('PERSISTED_QUERY_NOT_FOUND');
    expect((await server.post({ query, extensions })).body).toEqual({ data: { hello: 'world' } });
    expect((await server.post({ extensions })).body).toEqual({ data: { hello: 'world' } });
    expect((await get({ extensions: JSON.stringify(extensions) })).body).toEqual({
      data: { hello: 'world' },
    });
  });

  it('can be registered over GET', async () => {
    const query = 'query ByGet { hello }';
    const extensions = JSON.stringify(persisted(sha256(query)));
    expect((await get({ query, extensions })).body).toEqual({ data: { hello: 'world' } });
    expect((await get({ extensions })).body).toEqual({ data: { hello: 'world' } });
  });

  it('P1: a hash of another text is 400 and is not registered', async () => {
    const hash = sha256('query Other { hello }');
    const answer = await server.post({ query: '{ hello }', extensions: persisted(hash) });
    expect(answer.status).toBe(400);
    expect(code(answer)).toBe('BAD_REQUEST');
    expect(code(await server.post({ extensions: persisted(hash) }))).toBe('PERSISTED_QUERY_NOT_FOUND');
  });

  it('are not registered when they go over a limit', async () => {
    const query = `query Wide { ${'hello '.repeat(200)} }`;
    expect((await server.post({ query, extensions: persisted(sha256(query)) })).status).toBe(400);
    expect(code(await server.post({ extensions: persisted(sha256(query)) }))).toBe(
      'PERSISTED_QUERY_NOT_FOUND',
    );
  });

  it('P4: 100,000 distinct hashes leave the store bounded, and hot entries in it', async () => {
    const store = createApqStore({ enabled: true, maxEntries: 1_000, ttlSeconds: 60 });
    await store.set('hot', 'query Hot { hello }');
    for (let i = 0; i < 100_000; i++) {
      await store.set(`hash-${i}`, `{ hello } # ${i}`);
      if (i % 500 === 0) expect(await store.get('hot')).toBe('query Hot { hello }');
    }
    expect(await store.get('hot')).toBe('query Hot { hello }');
    expect(await store.get('hash-0')).toBeUndefined();
    let kept = 0;
    for (let i = 0; i < 100_000; i++) if ((await store.get(`hash-${i}`)) !== undefined) kept++;
    expect(kept).toBe(999);
  });

  it('P4: few but huge entries are bounded by their size', async () => {
    const store = createApqStore({ enabled: true, maxEntries: 1_000, ttlSeconds: 60 });
    const huge = 'x'.repeat(1_000_000);
    for (let i = 0; i < 40; i++) await store.set(`huge-${i}`, huge);
    let kept = 0;
    for (let i = 0; i < 40; i++) if ((await store.get(`huge-${i}`)) !== undefined) kept++;
    expect(kept).toBeLessThanOrEqual(16);
    expect(kept).toBeGreaterThan(0);
  });

  it.each(['__proto__', 'constructor', '', 'x'.repeat(500_000), 7, null, {}, ['a']])(
    'P5: the id %j is not found or 400',
    async (id) => {
      const answer = await server.post({ extensions: persisted(id) });
      expect([200, 400]).toContain(answer.status);
      expect(answer.body.data).toBeUndefined();
      expect(['PERSISTED_QUERY_NOT_FOUND', 'BAD_REQUEST']).toContain(code(answer));
    },
  );

  it('P5: another case or other white space is another query', async () => {
    const query = 'query Case { hello }';
    await server.post({ query, extensions: persisted(sha256(query)) });
    expect(code(await server.post({ extensions: persisted(sha256(query).toUpperCase()) }))).toBe(
      'PERSISTED_QUERY_NOT_FOUND',
    );
    expect(code(await server.post({ extensions: persisted(sha256(`${query} `)) }))).toBe(
      'PERSISTED_QUERY_NOT_FOUND',
    );
    const named = await server.post({ operationName: 'Other', extensions: persisted(sha256(query)) });
    expect(named.status).toBe(400);
  });

  it('are refused by code when they are switched off', async () => {
    const off = await startTestServer({ settings: { 'apq.enabled': 'false' } });
    expect(code(await off.post({ extensions: persisted(sha256('{ hello }')) }))).toBe(
      'PERSISTED_QUERY_NOT_SUPPORTED',
    );
    await off.server.close();
  });
});
