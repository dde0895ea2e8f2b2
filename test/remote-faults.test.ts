import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EmbedOutcome, Embedder } from '../src/embedding/embedder.js';
import { KindredError } from '../src/errors.js';
import { noTelemetry } from '../src/telemetry.js';
import { asEmbedding } from './conformance/embedder.js';
import { type Faults, type FaultyProxy, startFaultyProxy } from './faulty-proxy.js';
import { type ModelServer, type ServedRequest } from './model-server.js';
import { startOpenAiServer } from './openai-server.js';
import { openRemote, remoteOf } from './remotes.js';

const QUICK = {
  timeouts: { connectMs: 300, attemptMs: 300, totalMs: 1_000 },
  breaker: { failures: 3, probeMs: 50 },
};

let server: ModelServer;
let embedder: Embedder | undefined;
let retries: number;

const telemetry = noTelemetry();
const counting = {
  ...telemetry,
  metrics: {
    ...telemetry.metrics,
    remoteRetries: { add: (count: number): void => void (retries += count) },
  },
};

async function open(facts: Record<string, unknown> = {}): Promise<Embedder> {
  const manifest = { protocol: 'openai', url: `${server.url}/v1`, model: 'bag-of-words', ...QUICK, ...facts };
  embedder = await openRemote(remoteOf(manifest), counting);
  server.requests.length = 0;
  return embedder;
}

const ask = (...texts: string[]): Promise<EmbedOutcome[]> => {
  if (!embedder) throw new Error('expected an embedder');
  return embedder.embed(texts, { purpose: 'query' });
};

const inputOf = ({ body }: ServedRequest): string[] => {
  const { input } = JSON.parse(body.toString()) as { input: string | string[] };
  return typeof input === 'string' ? [input] : input;
};

/** A fault for the next `count` requests. */
const next =
  (count: number, fault: ReturnType<ModelServer['fault']>): ModelServer['fault'] =>
  () =>
    count-- > 0 ? fault : undefined;

beforeEach(async () => {
  server = await startOpenAiServer();
  retries = 0;
});
afterEach(async () => {
  await embedder?.close();
  embedder = undefined;
  await server.stop();
});

describe('a remote server that fails for a moment', () => {
  it.each<[string, NonNullable<ReturnType<ModelServer['fault']>>]>([
    ['resets the connection', 'reset'],
    ['is cut off in its answer', 'cut'],
    ['does not answer in time', 'hang'],
    ['answers 502', { status: 502 }],
    ['answers 503', { status: 503 }],
    ['answers 504', { status: 504 }],
    ['answers 429', { status: 429 }],
  ])('X4: that %s once is asked again', async (_, fault) => {
    await open();
    server.fault = next(1, fault);
    asEmbedding((await ask('a shoe'))[0]);
    expect(server.requests).toHaveLength(2);
    expect(retries).toBe(1);
  });

  it('is given the time that it asks for by Retry-After, or none at all when that is longer than the request may take', async () => {
    await open();
    server.fault = next(1, { status: 429, headers: { 'retry-after': '30' } });
    expect((await ask('a shoe'))[0]).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 30_000 });
    expect(server.requests).toHaveLength(1);
    expect(embedder?.health().ready).toBe(true);
  });

  it.each([401, 403, 404, 302])('that answers %i is not asked again', async (status) => {
    await open();
    server.fault = () => ({ status });
    expect((await ask('a shoe'))[0]).toMatchObject({ code: 'MODEL_VERSION_UNAVAILABLE' });
    expect(server.requests).toHaveLength(1);
  });

  it('X4: retries stay below a tenth of the requests', async () => {
    await open({ breaker: { failures: 1_000, probeMs: 50 }, retries: 10, limits: { texts: 1 } });
    server.fault = () => ({ status: 503 });
    const texts = Array.from({ length: 100 }, (_, index) => `shoe ${String(index)}`);
    const outcomes = await ask(...texts);
    expect(outcomes.every((each) => each instanceof KindredError)).toBe(true);
    expect(server.requests).toHaveLength(100 + retries);
    expect(retries).toBeGreaterThan(0);
    expect(retries).toBeLessThanOrEqual(10);
  });
});

describe('a text that a remote server refuses', () => {
  it.each([
    ['!400 as too long', 'BAD_USER_INPUT', 'TEXT_TOO_LONG'],
    ['!413 as too large', 'BAD_USER_INPUT', 'TEXT_TOO_LONG'],
    ['!500 by an error', 'INTERNAL_SERVER_ERROR', undefined],
    ['!nan with NaN', 'INTERNAL_SERVER_ERROR', undefined],
    ['!zero with zeros', 'BAD_USER_INPUT', 'ZERO_NORM'],
  ])('%s fails alone among 32', async (bad, code, reason) => {
    await open();
    const texts = Array.from({ length: 32 }, (_, index) => (index === 19 ? bad : `shoe ${String(index)}`));
    const outcomes = await ask(...texts);
    expect(outcomes[19]).toMatchObject({ code, reason });
    expect(outcomes.filter((each) => each instanceof KindredError)).toHaveLength(1);
    expect(embedder?.health().ready).toBe(true);
    expect(server.requests.length).toBeLessThanOrEqual(13);
  });

  it('says nothing about the text in its message', async () => {
    await open();
    const [outcome] = await ask('!400 secret words');
    expect(outcome).toBeInstanceOf(KindredError);
    expect((outcome as KindredError).message).not.toMatch(/secret|127\.0\.0\.1/);
  });

  it('is told from a server that refuses everything, which costs one more request and not one a text', async () => {
    await open();
    await new Promise((resolve) => setTimeout(resolve, 2 * QUICK.breaker.probeMs));
    server.fault = () => ({ status: 500 });
    const outcomes = await ask(...Array.from({ length: 32 }, (_, index) => `shoe ${String(index)}`));
    expect(new Set(outcomes.map((each) => each instanceof KindredError && each.code))).toEqual(
      new Set(['MODEL_VERSION_UNAVAILABLE']),
    );
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    ['another dimension', JSON.stringify({ data: [{ index: 0, embedding: [1, 2] }] })],
    ['no JSON', '<html>'],
    ['too few vectors', JSON.stringify({ data: [] })],
    ['an index twice', JSON.stringify({ data: [0, 0].map((index) => ({ index, embedding: [1] })) })],
    ['half a number', JSON.stringify({ data: [{ index: 0, embedding: 'AAA=' }] })],
  ])('an answer with %s is the fault of the server', async (_, body) => {
    await open();
    await new Promise((resolve) => setTimeout(resolve, 2 * QUICK.breaker.probeMs));
    server.fault = () => ({ body });
    expect((await ask('a shoe'))[0]).toMatchObject({ code: 'MODEL_VERSION_UNAVAILABLE' });
  });

  it('an answer over limits.responseBytes is not read to its end', async () => {
    await open({ limits: { responseBytes: 2_000 } });
    const outcomes = await ask(...Array.from({ length: 30 }, (_, index) => `shoe ${String(index)}`));
    expect(outcomes.filter((each) => each instanceof KindredError)).toHaveLength(0);
    expect(server.requests.length).toBeGreaterThan(1);
  });
});

describe('a remote server that stays away', () => {
  it('X17: refuses at once while its breaker is open, is not ready with a reason, and is back by itself', async () => {
    await open();
    await server.stop();
    for (let call = 0; call < QUICK.breaker.failures; call++)
      expect((await ask(`shoe ${String(call)}`))[0]).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    expect(embedder?.health()).toMatchObject({ ready: false, reason: 'no connection (ECONNREFUSED)' });
    const [outcome] = await Promise.all([ask('a hat').catch((error: unknown) => [error as KindredError])]);
    expect(outcome[0]).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE', retryAfterMs: QUICK.breaker.probeMs });

    await server.start();
    await vi.waitFor(() => expect(embedder?.health().ready).toBe(true), { timeout: 5_000 });
    asEmbedding((await ask('a shoe'))[0]);
  });

  it('X17: no request of a caller reaches a server that hangs while its breaker is open', async () => {
    await open({ timeouts: { connectMs: 50, attemptMs: 50, totalMs: 100 } });
    server.fault = () => 'hang';
    for (let call = 0; call < QUICK.breaker.failures; call++) await ask(`shoe ${String(call)}`);
    expect(embedder?.health().ready).toBe(false);
    await ask('a boat');
    await vi.waitFor(() => expect(server.requests.map(inputOf)).toContainEqual(['hello']));
    expect(server.requests.map(inputOf).flat()).not.toContain('a boat');
    server.fault = () => undefined;
    await vi.waitFor(() => expect(embedder?.health().ready).toBe(true), { timeout: 5_000 });
  });

  it('X17: a name without an address stops the version from loading, with the reason', async () => {
    await expect(open({ url: 'http://no-such-host.invalid/v1' })).rejects.toThrow(
      /no connection \((ENOTFOUND|EAI_AGAIN)\)/,
    );
  });

  it('X24: a version whose server comes later loads when it is tried again', async () => {
    await server.stop();
    await expect(open()).rejects.toThrow('no connection (ECONNREFUSED)');
    await server.start();
    await open();
    asEmbedding((await ask('a shoe'))[0]);
  });
});

describe('X4: a network that does harm', () => {
  let proxy: FaultyProxy;
  beforeEach(async () => {
    proxy = await startFaultyProxy(Number(new URL(server.url).port));
    const timeouts = { connectMs: 500, attemptMs: 800, totalMs: 2_000 };
    await open({
      url: `http://127.0.0.1:${String(proxy.port)}/v1`,
      timeouts,
      breaker: { failures: 2, probeMs: 50 },
    });
  });
  afterEach(() => proxy.close());

  it.each<[string, Faults]>([
    ['latency of 300 ms', { latencyMs: 300 }],
    ['jitter', { latencyMs: 60, jitterMs: 50 }],
    ['narrow bandwidth', { bandwidth: 10_000 }],
    ['slices of 7 bytes', { sliceBytes: 7 }],
  ])('%s only costs time', async (_, faults) => {
    proxy.set(faults);
    const outcomes = await ask('a shoe', 'a hat', 'a coat');
    expect(outcomes.map(asEmbedding)).toHaveLength(3);
    expect(retries).toBe(0);
  });

  it.each<[string, Faults]>([
    ['connections that are reset', { resetPeer: true }],
    ['connections that are half open', { blackHole: true }],
    ['answers cut off after 50 bytes', { limitBytes: 50 }],
  ])('%s open the breaker, and the server is back once they end', async (_, faults) => {
    proxy.set(faults);
    for (let call = 0; call < 2; call++) {
      const [outcome] = await ask(`shoe ${String(call)}`);
      expect(outcome).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    }
    expect(embedder?.health().ready).toBe(false);
    proxy.set({});
    await vi.waitFor(() => expect(embedder?.health().ready).toBe(true), { timeout: 5_000 });
    asEmbedding((await ask('a shoe'))[0]);
  });
});

describe('requests to a remote server', () => {
  it('go over kept connections, one at a time each and no more than `concurrency`', async () => {
    await open({ concurrency: 2, limits: { texts: 1 } });
    const texts = Array.from({ length: 40 }, (_, index) => `shoe ${String(index)}`);
    const outcomes = await ask(...texts);
    expect(outcomes.map(asEmbedding)).toHaveLength(40);
    expect(server.requests).toHaveLength(40);
    expect(server.connections()).toBe(2);
  });

  it('hold no more texts than limits.texts, those of imports neither', async () => {
    await open({ limits: { texts: 8 } });
    const texts = Array.from({ length: 100 }, (_, index) => `shoe ${String(index)}`);
    const outcomes = await embedder?.embed(texts, { purpose: 'document', lane: 'bulk' });
    expect(outcomes?.map(asEmbedding)).toHaveLength(100);
    expect(Math.max(...server.requests.map((request) => inputOf(request).length))).toBe(8);
  });

  it('carry prompts and added parameters, and the same text of two callers goes out once', async () => {
    await open({ prompts: { query: 'query: ' }, parameters: { dimensions: 16 } });
    await Promise.all([ask('a shoe'), ask('a shoe')]);
    expect(server.requests).toHaveLength(1);
    const [request] = server.requests;
    expect(JSON.parse(request?.body.toString() ?? '')).toEqual({
      model: 'bag-of-words',
      input: ['query: a shoe'],
      encoding_format: 'base64',
      dimensions: 16,
    });
  });

  it('X23: are cut off once nobody waits for them any more', async () => {
    await open({ timeouts: { attemptMs: 60_000, totalMs: 60_000 }, concurrency: 1 });
    server.fault = next(1, 'hang');
    const abort = new AbortController();
    const hanging = embedder?.embed(['a shoe'], { purpose: 'query', signal: abort.signal });
    await vi.waitFor(() => expect(server.requests).toHaveLength(1));
    abort.abort();
    expect((await hanging)?.[0]).toMatchObject({ code: 'REQUEST_CANCELLED' });
    // The only place is free again, and the same text is not joined to what was dropped.
    asEmbedding((await ask('a shoe'))[0]);
  });

  it('are not cut off while another caller waits for one of their texts', async () => {
    await open({ timeouts: { attemptMs: 400, totalMs: 2_000 } });
    server.fault = next(1, 'hang');
    const abort = new AbortController();
    const first = embedder?.embed(['a shoe'], { purpose: 'query', signal: abort.signal });
    await vi.waitFor(() => expect(server.requests).toHaveLength(1));
    const second = ask('a shoe');
    abort.abort();
    expect((await first)?.[0]).toMatchObject({ code: 'REQUEST_CANCELLED' });
    asEmbedding((await second)[0]);
  });
});
