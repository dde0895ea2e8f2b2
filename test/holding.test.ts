import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createHolding } from '../src/http/holding.js';
import { createOverload } from '../src/overload.js';
import { type TestServer, send, startTestServer } from './http-server.js';

describe('holding refusals back', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Counts what is told at once and what later. */
  function rig(over: Partial<Parameters<typeof createHolding>[0]> = {}) {
    const overload = createOverload();
    const holding = createHolding({ ms: 200, most: 100, overload, ...over });
    const told: number[] = [];
    /** A window of 100 ms with so many refusals and answers; answers how many of the refusals were told at once. */
    const window = (refusals: number, answers: number): number => {
      const before = told.length;
      for (let each = 0; each < answers; each += 1) overload.answered();
      const from = performance.now();
      for (let each = 0; each < refusals; each += 1)
        holding.refuse(() => told.push(performance.now() - from));
      const atOnce = told.length - before;
      vi.advanceTimersByTime(100);
      return atOnce;
    };
    return { told, window };
  }

  it('begins once refusals are many and more than the answers, and ends when that is over', () => {
    const { told, window } = rig();
    expect(window(50, 10)).toBe(50);
    expect(window(50, 10)).toBe(0);
    expect(window(1, 0)).toBe(0);
    for (let at = 0; at < 25; at += 1) window(0, 10);
    expect(window(50, 10)).toBe(50);
    expect(told).toHaveLength(151);
  });

  it('goes on while a few clients ask again whenever they are told', () => {
    const { window } = rig();
    window(50, 10);
    const atOnce = Array.from({ length: 100 }, () => window(12, 5));
    expect(atOnce.reduce((sum, each) => sum + each, 0)).toBe(0);
  });

  it.each([
    ['are few', 9, 0],
    ['are less than the answers', 50, 60],
  ])('does not begin while refusals %s', (_what, refusals, answers) => {
    const { window } = rig();
    for (let at = 0; at < 20; at += 1) expect(window(refusals, answers)).toBe(refusals);
  });

  it('tells each after half the time to all of it, and not all together', () => {
    const { told, window } = rig();
    window(50, 0);
    told.length = 0;
    window(50, 0);
    vi.advanceTimersByTime(200);
    expect(told).toHaveLength(50);
    expect(Math.min(...told)).toBeGreaterThanOrEqual(99);
    expect(Math.max(...told)).toBeLessThanOrEqual(201);
    expect(new Set(told.map(Math.round)).size).toBeGreaterThan(3);
  });

  it('keeps to a time that is as short as a tick', () => {
    const { told, window } = rig({ ms: 10 });
    window(50, 0);
    told.length = 0;
    expect(window(50, 0)).toBe(0);
    expect(told).toHaveLength(50);
    expect(Math.min(...told)).toBeGreaterThanOrEqual(4);
    expect(Math.max(...told)).toBeLessThanOrEqual(11);
  });

  it('tells at once what is more than it may hold', () => {
    const { window } = rig({ most: 30 });
    window(50, 0);
    expect(window(50, 0)).toBe(20);
    vi.advanceTimersByTime(200);
    expect(window(50, 0)).toBe(20);
  });

  it('never begins with a time of 0', () => {
    const { window } = rig({ ms: 0 });
    for (let at = 0; at < 20; at += 1) expect(window(50, 0)).toBe(50);
  });
});

describe('a server that refuses more than it answers', () => {
  const QUERY = { query: '{ kindredFault(code: "OVERLOADED") }' };
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ settings: { 'server.shedAbove': '1', 'server.holdRefusalsMs': '500' } });
  });
  afterAll(() => server.server.close());

  /** Ends when refusals are held back. */
  const untilHeld = async (): Promise<void> => {
    for (let started = 0; started < 200; started = await timed()) continue;
  };
  const timed = async (): Promise<number> => {
    const from = performance.now();
    expect((await server.post(QUERY)).status).toBe(429);
    return performance.now() - from;
  };

  /** Ends when so many requests have come in from now on, of which the server would know nothing were it closed before. */
  const arrived = (count: number): Promise<void> =>
    new Promise((resolve) => {
      let seen = 0;
      const onRequest = (): void => {
        seen += 1;
        if (seen < count) return;
        unsubscribe('http.server.request.start', onRequest);
        resolve();
      };
      subscribe('http.server.request.start', onRequest);
    });

  it('holds refusals of clients that ask again at once, whole, and answers the others meanwhile', async () => {
    expect((await server.post(QUERY)).headers.get('retry-after')).toBe('1');
    await untilHeld();
    const held = server.post(QUERY);
    expect((await server.post({ query: '{ hello }' })).body.data).toEqual({ hello: 'world' });
    const { status, headers, body } = await held;
    expect(status).toBe(429);
    expect(headers.get('retry-after')).toBe('1');
    expect(body.errors?.[0]?.extensions.code).toBe('OVERLOADED');
  });

  it('does not mind a client that goes away meanwhile, and tells the others when it stops', async () => {
    await untilHeld();
    const leaving = new AbortController();
    const came = arrived(1);
    const left = send(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(QUERY),
      signal: leaving.signal,
    }).catch((error: unknown) => error);
    await came;
    leaving.abort();
    expect(await left).toBeInstanceOf(DOMException);
    await untilHeld();
    const allCame = arrived(5);
    const waiting = Array.from({ length: 5 }, () => server.post(QUERY));
    await allCame;
    const closing = server.server.close();
    for (const { status, headers } of await Promise.all(waiting)) {
      expect(status).toBe(429);
      // Otherwise the server waits for the connection to fall idle.
      expect(headers.get('connection')).toBe('close');
    }
    await closing;
  });
});
