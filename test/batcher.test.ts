import { SpanKind, context, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Batcher, type BatcherOptions, createBatcher } from '../src/embedding/batcher.js';
import type { EmbedOutcome } from '../src/embedding/embedder.js';
import { createLane } from '../src/embedding/lane.js';
import { partition } from '../src/embedding/onnx/partition.js';
import { createRunCost } from '../src/embedding/onnx/run-cost.js';
import type { BatchResult, BatchRunner, BatchSlot } from '../src/embedding/runner.js';
import { KindredError } from '../src/errors.js';
import { SPAN, noTelemetry } from '../src/telemetry.js';

/** What a text gets when nobody else is there: a vector that only this text has, or its own error. */
function alone(text: string): EmbedOutcome {
  if (text.startsWith('bad')) return new KindredError('BAD_USER_INPUT', `bad: ${text}`);
  return {
    vector: Float32Array.from(text, (letter) => letter.charCodeAt(0)),
    tokens: text.length,
    truncated: false,
  };
}

const resultOf = (outcomes: EmbedOutcome[]): BatchResult => ({ outcomes, sessions: [], tokenizeMs: 0 });
const dead = new KindredError('MODEL_VERSION_UNAVAILABLE', 'its worker died twice');

interface HeldBatch {
  readonly texts: readonly string[];
  finish(): void;
  die(): void;
}

/** A runner of `places` whose batches end when the test says so. */
function heldRunner(places: number): {
  runner: BatchRunner;
  batches: HeldBatch[];
  refuse: (error: Error) => void;
} {
  const batches: HeldBatch[] = [];
  const waiting: { grant: (slot: BatchSlot) => void; refuse: (error: Error) => void }[] = [];
  let free = places;
  const release = (): void => {
    free += 1;
    next();
  };
  const slot: BatchSlot = {
    release,
    run: (texts) =>
      new Promise((resolve) => {
        const end = (outcomes: EmbedOutcome[]) => (): void => {
          resolve(resultOf(outcomes));
          release();
        };
        batches.push({ texts, finish: end(texts.map(alone)), die: end(texts.map(() => dead)) });
      }),
  };
  const next = (): void => {
    const waiter = free > 0 ? waiting.shift() : undefined;
    if (!waiter) return;
    free -= 1;
    waiter.grant(slot);
  };
  const runner: BatchRunner = {
    acquire: () =>
      new Promise((grant, refuse) => {
        waiting.push({ grant, refuse });
        next();
      }),
    fault: () => undefined,
  };
  return {
    runner,
    batches,
    refuse: (error) => {
      for (const waiter of waiting.splice(0)) waiter.refuse(error);
    },
  };
}

const limits = {
  maxBatchTexts: 4,
  maxBatchTokens: 1_000,
  bulkBatchTokens: 1_000,
  maxQueueTexts: 10,
  maxQueueTokens: 10_000,
};
const build = (runner: BatchRunner, options: Partial<BatcherOptions> = {}): Batcher =>
  createBatcher({ model: 'm', maxTokens: 256, runner, limits, telemetry: noTelemetry(), ...options });
const interactive = { lane: 'interactive' } as const;
const bulk = { lane: 'bulk' } as const;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index)}`);

describe('the batcher', () => {
  let held: ReturnType<typeof heldRunner>;
  let batcher: Batcher;
  const sent = (): (readonly string[])[] => held.batches.map(({ texts }) => texts);
  const finishAll = async (): Promise<void> => {
    // The list grows while it is gone through.
    for (const batch of held.batches) {
      batch.finish();
      await settle();
    }
  };

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
    await finishAll();
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
    await finishAll();
    expect(sent().map((texts) => texts.length)).toEqual([1, 1, 2, 2]);
  });

  it('takes interactive texts before bulk ones, and moves a text that both want', async () => {
    void batcher.embed(['first'], bulk);
    await settle();
    void batcher.embed(['b1', 'b2', 'shared'], bulk);
    void batcher.embed(['shared', 'i1'], interactive);
    await finishAll();
    expect(sent()).toEqual([['first'], ['shared', 'i1'], ['b1', 'b2']]);
  });

  it('computes a text once, whether the others ask while it waits or while it is computed', async () => {
    const first = batcher.embed(['same', 'same'], interactive);
    await settle();
    const second = batcher.embed(['same'], interactive);
    await finishAll();
    expect(sent()).toEqual([['same']]);
    expect(await first).toEqual([alone('same'), alone('same')]);
    expect(await second).toEqual([alone('same')]);
  });

  it('fails a bad text alone', async () => {
    const answer = batcher.embed(['a', 'bad one', 'b'], interactive);
    await finishAll();
    await settle();
    await finishAll();
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
    await finishAll();
    expect(sent()).toEqual([['first']]);
  });

  it('keeps a text that another caller still waits for', async () => {
    void batcher.embed(['first'], interactive);
    await settle();
    const client = new AbortController();
    const leaving = batcher.embed(['shared'], { ...interactive, signal: client.signal });
    const staying = batcher.embed(['shared'], interactive);
    client.abort();
    expect((await leaving)[0]).toMatchObject({ code: 'REQUEST_CANCELLED' });
    await finishAll();
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
    await finishAll();
    expect(await fits).toEqual([alone('a0'), alone('b0'), alone('b1')]);
  });

  it('refuses by tokens as well', async () => {
    batcher = build(held.runner, { limits: { ...limits, maxQueueTokens: 50 } });
    void batcher.embed(['first'], interactive);
    await settle();
    void batcher.embed(['x'.repeat(160)], interactive);
    await expect(batcher.embed(['y'.repeat(160)], interactive)).rejects.toMatchObject({ code: 'OVERLOADED' });
  });

  it('takes a bulk call above the limit while its lane is empty, and interactive texts beside it', async () => {
    const large = batcher.embed(names('b', 50), bulk);
    await expect(batcher.embed(['one more'], bulk)).rejects.toMatchObject({ code: 'OVERLOADED' });
    const small = batcher.embed(['i'], interactive);
    await finishAll();
    expect(await large).toEqual(names('b', 50).map(alone));
    expect(await small).toEqual([alone('i')]);
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

describe('a lane', () => {
  it('hands out each entry once, the oldest first, within the limits', () => {
    const bounds = fc.record({
      maxTexts: fc.integer({ min: 1, max: 9 }),
      maxTokens: fc.integer({ min: 1, max: 99 }),
    });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 80 }), bounds, (lengths, most) => {
        const entries = lengths.map((tokens) => ({ tokens }));
        const lane = createLane<{ tokens: number }>(50);
        entries.forEach(lane.add);
        const waiting = new Set(entries);
        while (lane.texts > 0) {
          const batch = lane.take(most);
          expect(batch[0]).toBe([...waiting][0]);
          expect(batch.length).toBeLessThanOrEqual(most.maxTexts);
          const padded = batch.length * Math.max(...batch.map(({ tokens }) => Math.min(tokens, 50)));
          if (batch.length > 1) expect(padded).toBeLessThanOrEqual(most.maxTokens);
          for (const entry of batch) expect(waiting.delete(entry)).toBe(true);
          expect(lane.tokens).toBe([...waiting].reduce((sum, { tokens }) => sum + tokens, 0));
        }
        expect(waiting.size).toBe(0);
        expect(lane.take(most)).toEqual([]);
      }),
    );
  });
});

describe('cutting a batch into session runs', () => {
  const most = { maxTexts: 5, maxTokens: 60 };
  const sorted = fc
    .array(fc.integer({ min: 1, max: 80 }), { maxLength: 10 })
    .map((lengths) => lengths.sort((a, b) => a - b));
  const costOf = (lengths: readonly number[], ends: readonly number[]): number =>
    ends.reduce((sum, end, at) => sum + 12 + (end - (ends[at - 1] ?? 0)) * (lengths[end - 1] ?? 0), 0);

  /** Every way to cut `lengths` within the limits. */
  function* cuts(lengths: readonly number[], start = 0): Generator<number[]> {
    if (start === lengths.length) yield [];
    for (let end = start + 1; end <= Math.min(lengths.length, start + most.maxTexts); end++) {
      if (end - start > 1 && (end - start) * (lengths[end - 1] ?? 0) > most.maxTokens) break;
      for (const rest of cuts(lengths, end)) yield [end, ...rest];
    }
  }

  it('costs no more than any other way to cut it', () => {
    fc.assert(
      fc.property(sorted, (lengths) => {
        const all = [...cuts(lengths)];
        const ends = partition(lengths, 12, most);
        expect(all).toContainEqual(ends);
        expect(costOf(lengths, ends)).toBe(Math.min(...all.map((other) => costOf(lengths, other))));
      }),
    );
  });

  it('learns what a run costs from the times of earlier runs', () => {
    const cost = createRunCost();
    expect(cost.tokens()).toBe(12);
    for (let tokens = 10; tokens < 500; tokens += 20) cost.learn(tokens, 4 + 0.05 * tokens);
    expect(cost.tokens()).toBeCloseTo(80, 5);
  });
});
