import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SpanKind, context, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Batcher } from '../src/embedding/batcher.js';
import { createCachedEmbedder } from '../src/embedding/cached.js';
import type { BatchSlot } from '../src/embedding/runner.js';
import { KindredError } from '../src/errors.js';
import { SPAN, noTelemetry } from '../src/telemetry.js';
import {
  alone,
  build,
  bulk,
  dead,
  finishAll,
  heldRunner,
  interactive,
  limits,
  names,
  resultOf,
  settle,
} from './held-runner.js';

describe('the batcher', () => {
  let held: ReturnType<typeof heldRunner>;
  let batcher: Batcher;
  const sent = (): (readonly string[])[] => held.batches.map(({ texts }) => texts);

  beforeEach(() => {
    held = heldRunner(1);
    batcher = build(held.runner);
  });

  it('starts at once when a worker is free, without a timer', async () => {
    vi.useFakeTimers();
    try {
      const answer = batcher.embed(['one'], interactive);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      expect(sent()).toEqual([['one']]);
      held.batches[0]?.finish();
      expect(await answer).toEqual([alone('one')]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('merges the texts of several calls that wait while the worker is busy', async () => {
    const calls = [['a'], ['b'], ['c', 'd']].map((texts) => batcher.embed(texts, interactive));
    await settle();
    const late = batcher.embed(['e'], interactive);
    await finishAll(held.batches);
    expect(sent()).toEqual([['a', 'b', 'c', 'd'], ['e']]);
    expect(await Promise.all([...calls, late])).toEqual([
      [alone('a')],
      [alone('b')],
      [alone('c'), alone('d')],
      [alone('e')],
    ]);
  });

  it('batches the oldest text with those nearest to it in length', async () => {
    void batcher.embed(['first'], interactive);
    await settle();
    const [long, short] = ['x'.repeat(400), 's'.repeat(20)];
    void batcher.embed(
      [`${long}1`, `${short}1`, `${long}2`, `${short}2`, `${long}3`, `${short}3`],
      interactive,
    );
    held.batches[0]?.finish();
    await settle();
    expect(sent()[1]).toEqual([`${long}1`, `${long}2`, `${long}3`, `${short}1`]);
  });

  it('keeps to the token budget, and lets a text above it go alone', async () => {
    batcher = build(held.runner, { limits: { ...limits, maxBatchTokens: 100 } });
    void batcher.embed(['first'], interactive);
    await settle();
    // By the first estimate a token has four characters.
    void batcher.embed(['y'.repeat(900), ...names('z'.repeat(159), 4)], interactive);
    await finishAll(held.batches);
    expect(sent().map((texts) => texts.length)).toEqual([1, 1, 2, 2]);
  });

  it('takes interactive texts before bulk ones, and moves a text that both want', async () => {
    void batcher.embed(['first'], bulk);
    await settle();
    void batcher.embed(['b1', 'b2', 'shared'], bulk);
    void batcher.embed(['shared', 'i1'], interactive);
    await finishAll(held.batches);
    expect(sent()).toEqual([['first'], ['shared', 'i1'], ['b1', 'b2']]);
  });

  it('computes a text once, whether the others ask while it waits or while it is computed', async () => {
    const first = batcher.embed(['same', 'same'], interactive);
    await settle();
    const second = batcher.embed(['same'], interactive);
    await finishAll(held.batches);
    expect(sent()).toEqual([['same']]);
    expect(await first).toEqual([alone('same'), alone('same')]);
    expect(await second).toEqual([alone('same')]);
  });

  it('fails a bad text alone', async () => {
    const answer = batcher.embed(['a', 'bad one', 'b'], interactive);
    await finishAll(held.batches);
    await settle();
    await finishAll(held.batches);
    expect(await answer).toEqual([alone('a'), alone('bad one'), alone('b')]);
  });

  it('X23: a text whose callers have all left is never batched', async () => {
    void batcher.embed(['first'], interactive);
    await settle();
    const clients = Array.from({ length: 1_000 }, () => new AbortController());
    const calls = clients.map(({ signal }, index) =>
      batcher.embed([`text ${String(index % 10)}`], { ...interactive, signal }),
    );
    expect(batcher.queued()).toBe(10);
    for (const client of clients) client.abort();
    expect(batcher.queued()).toBe(0);
    for (const [outcome] of await Promise.all(calls))
      expect(outcome).toMatchObject({ code: 'REQUEST_CANCELLED' });
    await finishAll(held.batches);
    expect(sent()).toEqual([['first']]);
  });

  it('keeps nothing of texts that nobody waits for any more', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const megabytes = (): number => {
      collectGarbage();
      return process.memoryUsage().heapUsed / 2 ** 20;
    };
    batcher = build(held.runner, { limits: { ...limits, maxQueueTexts: 1e6, maxQueueTokens: 1e9 } });
    void batcher.embed(['first'], interactive);
    await settle();
    const before = megabytes();
    const client = new AbortController();
    for (let call = 0; call < 1_000; call++) {
      const texts = names(`${String(call)} ${'x'.repeat(5_000)}`, 10).map((text) =>
        Buffer.from(text).toString(),
      );
      void batcher.embed(texts, { lane: call % 2 === 0 ? 'bulk' : 'interactive', signal: client.signal });
    }
    await settle();
    expect(batcher.queued()).toBe(10_000);
    expect(megabytes() - before).toBeGreaterThan(40);
    client.abort();
    await settle();
    expect(batcher.queued()).toBe(0);
    expect(megabytes() - before).toBeLessThan(5);
  });

  it('does not let a request wait in the bulk lane for a text that an import asked for first', async () => {
    const model = { id: 'm', digest: 'd', dimension: 3, maxTokens: 256 };
    const embedder = createCachedEmbedder({
      inner: {
        model,
        embed: (texts, { lane = 'interactive', signal }) => batcher.embed(texts, { lane, signal }),
        health: () => ({ ready: true, queued: 0 }),
        close: () => Promise.resolve(),
      },
      limits: { textBytes: 1_000 },
      telemetry: noTelemetry(),
    });
    void batcher.embed(['first'], interactive);
    await settle();
    const imported = embedder.embed(['one', 'two', 'six'], { purpose: 'query', lane: 'bulk' });
    await settle();
    void batcher.embed(['other'], interactive);
    const asked = embedder.embed(['two'], { purpose: 'query' });
    await settle();
    await finishAll(held.batches);
    expect(sent()).toEqual([['first'], ['other', 'two'], ['one', 'six']]);
    expect(await asked).toEqual([alone('two')]);
    expect(await imported).toEqual(['one', 'two', 'six'].map(alone));
  });

  it('keeps a text that another caller still waits for', async () => {
    void batcher.embed(['first'], interactive);
    await settle();
    const client = new AbortController();
    const leaving = batcher.embed(['shared'], { ...interactive, signal: client.signal });
    const staying = batcher.embed(['shared'], interactive);
    client.abort();
    expect((await leaving)[0]).toMatchObject({ code: 'REQUEST_CANCELLED' });
    await finishAll(held.batches);
    expect(await staying).toEqual([alone('shared')]);
  });

  it('answers DEADLINE_EXCEEDED for texts that wait and for texts that are computed', async () => {
    const deadline = performance.now() + 20;
    const running = batcher.embed(['running'], { ...interactive, deadline });
    await settle();
    const waiting = batcher.embed(['waiting'], { ...interactive, deadline });
    expect((await running)[0]).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect((await waiting)[0]).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(batcher.queued()).toBe(0);
  });

  it('answers a call that came too late without queueing it', async () => {
    const [outcome] = await batcher.embed(['a'], { ...interactive, deadline: performance.now() - 1 });
    expect(outcome).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(sent()).toEqual([]);
  });

  it('refuses a whole call that does not fit, says when to come back, and takes one that does', async () => {
    void batcher.embed(['first'], interactive);
    await settle();
    void batcher.embed(names('a', 8), interactive);
    const refused: unknown = await batcher.embed(names('b', 3), interactive).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'OVERLOADED' });
    expect((refused as KindredError).retryAfterMs).toBeGreaterThan(0);
    expect(batcher.queued()).toBe(8);
    // What waits already needs no room.
    const fits = batcher.embed(['a0', 'b0', 'b1'], interactive);
    await finishAll(held.batches);
    expect(await fits).toEqual([alone('a0'), alone('b0'), alone('b1')]);
  });

  it('refuses by tokens as well', async () => {
    batcher = build(held.runner, { maxTokens: 50, limits: { ...limits, maxQueueTokens: 50 } });
    void batcher.embed(['first'], interactive);
    await settle();
    void batcher.embed(['x'.repeat(160)], interactive);
    await expect(batcher.embed(['y'.repeat(160)], interactive)).rejects.toMatchObject({ code: 'OVERLOADED' });
  });

  it('refuses a batch above the limit as it refuses single texts, even while nothing waits', async () => {
    await expect(batcher.embed(names('a', 11), interactive)).rejects.toMatchObject({
      code: 'OVERLOADED',
      message: 'more texts at once than may wait for the model version m: send fewer',
    });
    expect(batcher.queued()).toBe(0);
    void batcher.embed(['first'], interactive);
    await settle();
    const ten = names('c', 10).map((text) => batcher.embed([text], interactive));
    await expect(batcher.embed(['c10'], interactive)).rejects.toMatchObject({ code: 'OVERLOADED' });
    // The same text many times is one.
    const same = batcher.embed(new Array<string>(50).fill('c0'), interactive);
    await finishAll(held.batches);
    expect((await Promise.all(ten)).flat()).toEqual(names('c', 10).map(alone));
    expect(await same).toHaveLength(50);
  });

  it('takes any single text while nothing waits, however small the queue', async () => {
    batcher = build(held.runner, { limits: { ...limits, maxQueueTexts: 1, maxQueueTokens: 1 } });
    const answer = batcher.embed(['x'.repeat(5_000)], interactive);
    await settle();
    await finishAll(held.batches);
    expect(await answer).toHaveLength(1);
  });

  it('tells those it refuses the time in which the queue empties at the speed it has', async () => {
    // By the first estimate a token has four characters: ten texts of 100 tokens wait.
    const hint = async (tokensPerMs: number): Promise<number | undefined> => {
      held = heldRunner(1);
      batcher = build(held.runner, { tokensPerMs });
      void batcher.embed(['first'], interactive);
      await settle();
      void batcher.embed(names('x'.repeat(396), 10), interactive);
      const refused: unknown = await batcher.embed(['late'], interactive).catch((error: unknown) => error);
      return (refused as KindredError).retryAfterMs;
    };
    expect(await hint(2)).toBe(500);
    expect(await hint(1_000)).toBe(100);
    expect(await hint(0.001)).toBe(30_000);
  });

  it('lets bulk calls in as room comes free, in their order, and never refuses them', async () => {
    const large = batcher.embed(names('b', 50), bulk);
    const next = batcher.embed(['one more'], bulk);
    expect(batcher.queued()).toBe(10);
    const small = batcher.embed(['i'], interactive);
    await settle();
    await finishAll(held.batches);
    expect(await large).toEqual(names('b', 50).map(alone));
    expect(await next).toEqual([alone('one more')]);
    expect(await small).toEqual([alone('i')]);
    expect(sent().at(-1)).toContain('one more');
    expect(batcher.queued()).toBe(0);
  });

  it('gives the room of a bulk call that leaves to the next one', async () => {
    void batcher.embed(['first'], bulk);
    await settle();
    const client = new AbortController();
    const leaving = batcher.embed(names('b', 50), { ...bulk, signal: client.signal });
    const staying = batcher.embed(['stays'], bulk);
    client.abort();
    expect(new Set((await leaving).map((outcome) => (outcome as KindredError).code))).toEqual(
      new Set(['REQUEST_CANCELLED']),
    );
    await finishAll(held.batches);
    expect(await staying).toEqual([alone('stays')]);
    expect(sent()).toEqual([['first'], ['stays']]);
  });

  it('answers bulk texts that have found no room yet when no worker will come', async () => {
    void batcher.embed(['first'], interactive);
    await settle();
    const large = batcher.embed(names('b', 50), bulk);
    await settle();
    held.refuse(dead);
    expect(await large).toEqual(new Array(50).fill(dead));
    expect(batcher.queued()).toBe(0);
  });

  it('drops texts whose deadline passed while no timer could fire', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      void batcher.embed(['first'], interactive);
      await settle();
      const late = batcher.embed(['late'], { ...interactive, deadline: performance.now() + 50 });
      const other = batcher.embed(['other'], interactive);
      // Time goes on without its timers, as on a busy event loop.
      vi.setSystemTime(Date.now());
      vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60);
      held.batches[0]?.finish();
      await settle();
      expect(sent()).toEqual([['first'], ['other']]);
      expect((await late)[0]).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
      held.batches[1]?.finish();
      expect(await other).toEqual([alone('other')]);
    } finally {
      vi.restoreAllMocks();
      vi.useRealTimers();
    }
  });

  it('lets a bulk batch in now and then under interactive load that never ends', async () => {
    batcher = build(held.runner, { limits: { ...limits, bulkBatchTokens: 3 } });
    const bulkAnswer = batcher.embed(names('b', 3), bulk);
    void batcher.embed(['first'], interactive);
    for (let at = 0; at < 60; at++) {
      // Something interactive always waits when a worker comes free.
      void batcher.embed([`i${String(at)}`], interactive);
      await settle();
      held.batches[at]?.finish();
      await settle();
    }
    expect(await bulkAnswer).toEqual(names('b', 3).map(alone));
    const later = batcher.embed(names('c', 6), bulk);
    for (let at = 60; at < 120; at++) {
      void batcher.embed([`i${String(at)}`], interactive);
      await settle();
      held.batches[at]?.finish();
      await settle();
    }
    expect(await later).toEqual(names('c', 6).map(alone));
    const order = sent().map(([text]) => text?.startsWith('c'));
    expect(order.filter(Boolean)).toHaveLength(2);
    expect(order.lastIndexOf(true) - order.indexOf(true)).toBeGreaterThan(16);
  });

  it('answers those who wait when no worker will come', async () => {
    void batcher.embed(['first'], interactive);
    await settle();
    const waiting = batcher.embed(['a'], interactive);
    await settle();
    held.refuse(dead);
    expect(await waiting).toEqual([dead]);
  });

  it('answers everyone when it closes, and nobody after', async () => {
    const running = batcher.embed(['running'], interactive);
    await settle();
    const waiting = batcher.embed(['waiting'], interactive);
    const closed = batcher.close();
    expect((await waiting)[0]).toMatchObject({ code: 'MODEL_VERSION_UNAVAILABLE' });
    await expect(batcher.embed(['late'], interactive)).rejects.toMatchObject({
      code: 'MODEL_VERSION_UNAVAILABLE',
    });
    held.batches[0]?.finish();
    expect(await running).toEqual([alone('running')]);
    await closed;
  });
});

describe('the batcher under any interleaving', () => {
  const call = fc.record({
    texts: fc.array(fc.constantFrom('a', 'bb', 'ccc', 'bad', 'd'.repeat(40), 'e'.repeat(200)), {
      maxLength: 6,
    }),
    lane: fc.constantFrom('interactive' as const, 'bulk' as const),
    leaves: fc.boolean(),
    expired: fc.boolean(),
  });

  it('gives each caller exactly one answer a text, in order, equal to what the text gets alone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(call, { minLength: 1, maxLength: 12 }),
        fc.array(fc.boolean(), { maxLength: 8 }),
        fc.integer({ min: 1, max: 3 }),
        async (scheduler, calls, deaths, places) => {
          const held = heldRunner(places);
          const batcher = build(held.runner);
          const arrivals = calls.map(async ({ texts, lane, leaves, expired }, index) => {
            await scheduler.schedule(Promise.resolve(), `call ${String(index)} arrives`);
            const client = new AbortController();
            const deadline = performance.now() + (expired ? -1 : 100_000);
            const answer = batcher.embed(texts, { lane, signal: client.signal, deadline });
            if (leaves)
              void scheduler.schedule(Promise.resolve(), `call ${String(index)} leaves`).then(() => {
                client.abort();
              });
            return answer.catch((error: unknown) => error as KindredError);
          });
          const state = { over: false };
          const everyone = Promise.all(arrivals).finally(() => (state.over = true));
          let ended = 0;
          while (!state.over) {
            if (scheduler.count() > 0) await scheduler.waitNext(1);
            await settle();
            const batch = held.batches[ended];
            if (batch && (ended % 2 === 0 || scheduler.count() === 0)) {
              if (deaths[ended]) batch.die();
              else batch.finish();
              ended += 1;
            }
            await settle();
          }
          (await everyone).forEach((answer, index) => {
            const { texts = [], leaves, expired } = calls[index] ?? {};
            if (answer instanceof KindredError) {
              expect(answer.code).toBe('OVERLOADED');
              return;
            }
            expect(answer).toHaveLength(texts.length);
            answer.forEach((outcome, at) => {
              const code = outcome instanceof KindredError ? outcome.code : undefined;
              if (code === 'DEADLINE_EXCEEDED') expect(expired).toBe(true);
              else if (code === 'REQUEST_CANCELLED') expect(leaves).toBe(true);
              else if (code === 'MODEL_VERSION_UNAVAILABLE') expect(deaths).toContain(true);
              else expect(outcome).toEqual(alone(texts[at] ?? ''));
            });
          });
          // What only people who left wanted may still run; nothing waits.
          for (; ended < held.batches.length; ended++) held.batches[ended]?.finish();
          await settle();
          expect(batcher.queued()).toBe(0);
          await batcher.close();
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('the spans of a batch', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  beforeEach(() => {
    provider.register();
  });
  afterEach(() => {
    trace.disable();
    context.disable();
  });

  it('are a root with a link to the queue span of each caller, and a child a session run', async () => {
    const telemetry = { ...noTelemetry(), tracer: provider.getTracer('test') };
    const start = Date.now();
    const slot: BatchSlot = {
      release: () => undefined,
      run: (texts) =>
        Promise.resolve({
          ...resultOf(texts.map(alone)),
          sessions: [{ start, end: start + 7, texts: 2, tokens: 12 }],
        }),
    };
    const batcher = build({ acquire: () => Promise.resolve(slot), fault: () => undefined }, { telemetry });
    const request = telemetry.tracer.startActiveSpan('request', { kind: SpanKind.SERVER }, async (span) => {
      await Promise.all([batcher.embed(['a'], interactive), batcher.embed(['b'], interactive)]);
      span.end();
      return span.spanContext();
    });
    const { traceId, spanId } = await request;
    const spans = exporter.getFinishedSpans();
    const queue = spans.filter(({ name }) => name === SPAN.queue);
    const batch = spans.find(({ name }) => name === SPAN.batch);
    const session = spans.find(({ name }) => name === SPAN.session);
    expect(queue.map((span) => span.parentSpanContext?.spanId)).toEqual([spanId, spanId]);
    expect(batch?.parentSpanContext).toBeUndefined();
    expect(batch?.spanContext().traceId).not.toBe(traceId);
    expect(batch?.links.map((link) => link.context.spanId)).toEqual(
      queue.map((span) => span.spanContext().spanId),
    );
    expect(session?.parentSpanContext?.spanId).toBe(batch?.spanContext().spanId);
    expect(session?.duration).toEqual([0, 7_000_000]);
    expect(session?.attributes).toMatchObject({ 'kindred.texts': 2, 'kindred.tokens': 12 });
  });
});
