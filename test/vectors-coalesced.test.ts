import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { context } from '@opentelemetry/api';
import {
  type ReadableSpan,
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KindredError, badInput } from '../src/errors.js';
import { SPAN, type Telemetry, noTelemetry, withSpan } from '../src/telemetry.js';
import { coalesced } from '../src/vectors/coalesced.js';
import type { Filter } from '../src/vectors/filter.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import type { Collection, Hit, SearchOptions } from '../src/vectors/store.js';
import { record, unitVector } from './conformance/harness.js';

interface Call {
  readonly queries: readonly Float32Array[];
  readonly options: SearchOptions;
  answer(): void;
  fail(error: unknown): void;
}

/** A collection that answers a search only when it is told to: with one hit a query, named after the query's first number. */
function heldCollection(base: Collection): { collection: Collection; calls: Call[] } {
  const calls: Call[] = [];
  const search = (queries: readonly Float32Array[], options: SearchOptions): Promise<Hit[][]> =>
    new Promise((resolve, reject) => {
      calls.push({
        queries,
        options,
        answer: () => {
          resolve(queries.map((query) => [{ id: String(query[0]), score: 1 }]));
        },
        fail: reject,
      });
    });
  return { collection: { ...base, search }, calls };
}

const query = (n: number): Float32Array => Float32Array.of(n, 1);
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const idsOf = (results: Hit[][]): string[] => results.map((hits) => hits[0]?.id ?? '');

describe('coalesced searches', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const telemetry: Telemetry = { ...noTelemetry(), tracer: provider.getTracer('test') };
  const store = { name: 'fake', capabilities: { ...createMemoryStore().capabilities, maxQueries: 4 } };
  let base: Collection;
  let calls: Call[];
  let collection: Collection;

  beforeAll(async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    base = await createMemoryStore().open({
      name: 'Held',
      dimension: 2,
      fields: [{ name: 'brand', type: 'string' }],
    });
  });
  afterAll(async () => {
    context.disable();
    await provider.shutdown();
  });
  beforeEach(() => {
    exporter.reset();
    const held = heldCollection(base);
    calls = held.calls;
    collection = coalesced(held.collection, telemetry, store, 1);
  });

  it('start at once when idle, and gather while a call is in flight', async () => {
    const first = collection.search([query(1)], { limit: 5 });
    expect(calls).toHaveLength(1);
    const others = [2, 3, 4].map((n) => collection.search([query(n)], { limit: 5 }));
    expect(calls).toHaveLength(1);
    calls[0]?.answer();
    expect(idsOf(await first)).toEqual(['1']);
    await settle();
    expect(calls).toHaveLength(2);
    calls[1]?.answer();
    expect((await Promise.all(others)).map(idsOf)).toEqual([['2'], ['3'], ['4']]);
  });

  it('give each caller its own queries in order, and never more to a call than the store takes', async () => {
    const blocker = collection.search([query(0)], { limit: 5 });
    const results = [
      collection.search([query(1), query(2)], { limit: 5 }),
      collection.search([query(3)], { limit: 5 }),
      collection.search([query(4), query(5)], { limit: 5 }),
      collection.search([query(6), query(7), query(8), query(9)], { limit: 5 }),
    ];
    for (let i = 0; i < 4; i += 1) {
      calls[i]?.answer();
      await settle();
    }
    await blocker;
    expect(calls.map(({ queries }) => queries.length)).toEqual([1, 3, 2, 4]);
    expect((await Promise.all(results)).map(idsOf)).toEqual([
      ['1', '2'],
      ['3'],
      ['4', '5'],
      ['6', '7', '8', '9'],
    ]);
    await expect(collection.search([1, 2, 3, 4, 5].map(query), { limit: 5 })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
    });
  });

  it('share a call only with the same filter, limit and fields, however the filter was written', async () => {
    const filter: Filter = { kind: 'eq', field: 'brand', value: 'x' };
    const same: Filter = { value: 'x', field: 'brand', kind: 'eq' };
    const searches = [
      collection.search([query(0)], { limit: 5, filter }),
      collection.search([query(1)], { limit: 5, filter }),
      collection.search([query(2)], { limit: 5, filter: same }),
      collection.search([query(3)], { limit: 6, filter }),
      collection.search([query(4)], { limit: 5, filter: { ...filter, value: 'y' } }),
      collection.search([query(5)], { limit: 5 }),
      collection.search([query(6)], { limit: 5, filter, items: ['title'] }),
      collection.search([query(7)], { limit: 5, filter, items: 'all' }),
      collection.search([query(8)], { limit: 5, filter, items: ['title'] }),
    ];
    expect(calls.map(({ queries }) => queries.map(([n]) => n))).toEqual([[0], [3], [4], [5], [6], [7]]);
    for (const call of [...calls]) call.answer();
    await settle();
    expect(calls.slice(6).map(({ queries }) => queries.map(([n]) => n))).toEqual([[1, 2], [8]]);
    expect(calls[6]?.options).toMatchObject({ limit: 5, filter, items: [] });
    expect(calls[7]?.options).toMatchObject({ limit: 5, filter, items: ['title'] });
    for (const call of calls.slice(6)) call.answer();
    expect((await Promise.all(searches)).map(idsOf)).toEqual(searches.map((_, at) => [String(at)]));
  });

  it('drop a caller who gives up while waiting, without touching the others', async () => {
    const gone = new AbortController();
    const blocker = collection.search([query(0)], { limit: 5 });
    const waiting = collection.search([query(1)], { limit: 5, signal: gone.signal });
    const other = collection.search([query(2)], { limit: 5 });
    const deadline = new KindredError('DEADLINE_EXCEEDED', 'too late');
    gone.abort(deadline);
    await expect(waiting).rejects.toBe(deadline);
    calls[0]?.answer();
    await blocker;
    await settle();
    expect(calls[1]?.queries.map(([n]) => n)).toEqual([2]);
    calls[1]?.answer();
    expect(idsOf(await other)).toEqual(['2']);
  });

  it('X23: end the call in the store once all its callers have gone, and not before', async () => {
    const blocker = collection.search([query(0)], { limit: 5 });
    const gone = [new AbortController(), new AbortController()];
    const searches = gone.map(({ signal }, n) => collection.search([query(n + 1)], { limit: 5, signal }));
    calls[0]?.answer();
    await blocker;
    await settle();
    gone[0]?.abort();
    expect(calls[1]?.options.signal?.aborted).toBe(false);
    gone[1]?.abort();
    expect(calls[1]?.options.signal?.aborted).toBe(true);
    for (const search of searches) await expect(search).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
    calls[1]?.fail(badInput('aborted'));
    await settle();
    for (const call of calls.slice(2)) call.fail(badInput('aborted'));
    await settle();
    const next = collection.search([query(9)], { limit: 5 });
    calls.at(-1)?.answer();
    expect(idsOf(await next)).toEqual(['9']);
  });

  it('answer the good ones when one of a call is at fault', async () => {
    const blocker = collection.search([query(0)], { limit: 5 });
    const [good, bad, fine] = [1, 2, 3].map((n) => collection.search([query(n)], { limit: 5 }));
    calls[0]?.answer();
    await blocker;
    await settle();
    calls[1]?.fail(new Error('query 2 is odd'));
    await settle();
    expect(calls).toHaveLength(5);
    for (const call of calls.slice(2)) {
      if (call.queries[0]?.[0] === 2) call.fail(badInput('query 2 is odd'));
      else call.answer();
    }
    expect(idsOf((await good) ?? [])).toEqual(['1']);
    expect(idsOf((await fine) ?? [])).toEqual(['3']);
    await expect(bad).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  it('refuse a query of a wrong dimension before it joins a call', async () => {
    const good = collection.search([query(1)], { limit: 5 });
    await expect(collection.search([Float32Array.of(1)], { limit: 5 })).rejects.toMatchObject({
      reason: 'DIMENSION_MISMATCH',
    });
    calls[0]?.answer();
    expect(idsOf(await good)).toEqual(['1']);
  });

  it('ask a store that is away once for all callers', async () => {
    const blocker = collection.search([query(0)], { limit: 5 });
    const searches = [1, 2].map((n) => collection.search([query(n)], { limit: 5 }));
    const results = Promise.allSettled(searches);
    calls[0]?.answer();
    await blocker;
    await settle();
    calls[1]?.fail(new KindredError('UPSTREAM_UNAVAILABLE', 'away'));
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(calls).toHaveLength(2);
  });

  it('make a span in the trace of a single caller, and one of its own with links for several', async () => {
    const request = (n: number): Promise<Hit[][]> =>
      withSpan(telemetry, `request ${String(n)}`, { root: true }, () =>
        collection.search([query(n)], { limit: 5 }),
      );
    const searches = [request(0), request(1), request(2)];
    calls[0]?.answer();
    await settle();
    calls[1]?.answer();
    await Promise.all(searches);
    await settle();
    const spans = exporter.getFinishedSpans();
    const named = (name: string): ReadableSpan[] => spans.filter((span) => span.name === name);
    const [alone, shared] = named(SPAN.vectorSearch);
    const [zero, one, two] = [0, 1, 2].map((n) => named(`request ${String(n)}`)[0]?.spanContext());
    expect(alone?.parentSpanContext?.spanId).toBe(zero?.spanId);
    expect(alone?.links).toEqual([]);
    expect(shared?.parentSpanContext).toBeUndefined();
    expect(shared?.links.map((link) => link.context.spanId)).toEqual([one?.spanId, two?.spanId]);
    expect([one?.traceId, two?.traceId]).not.toContain(shared?.spanContext().traceId);
    expect(shared?.attributes).toMatchObject({
      'db.system.name': 'fake',
      'db.collection.name': 'Held',
      'db.operation.batch.size': 2,
    });
  });

  it('leave the rest of the collection as it is, with a span around each fetch', async () => {
    const memory = await createMemoryStore().open({ name: 'Whole', dimension: 8, fields: [] });
    const whole = coalesced(memory, telemetry, store);
    await whole.upsert([record('a'), record('b', {}, unitVector(2))]);
    expect(await whole.fetch(['b', 'x'])).toEqual([{ id: 'b', fields: {} }, null]);
    expect(await whole.search([unitVector(2)], { limit: 1 })).toMatchObject([[{ id: 'b' }]]);
    expect(await whole.count()).toBe(2);
    expect(await whole.delete(['a'])).toBe(1);
    const span = exporter.getFinishedSpans().find(({ name }) => name === SPAN.vectorFetch);
    expect(span?.attributes).toMatchObject({ 'db.collection.name': 'Whole', 'db.operation.batch.size': 2 });
  });
});
