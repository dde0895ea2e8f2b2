import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Span, context } from '@opentelemetry/api';
import { KindredError } from '../errors.js';
import { SPAN, type Telemetry } from '../telemetry.js';
import { type Call, type Patience, leftAlready, openCall } from './call.js';
import type { EmbedLane, EmbedOutcome } from './embedder.js';
import { type LengthEstimate, createLengthEstimate } from './estimate.js';
import { type BatchLimits, createLane } from './lane.js';
import type { BatchResult, BatchRunner, BatchSlot } from './runner.js';
import { endBatchSpan, startBatchSpan } from './batch-span.js';
import { createDrainRate } from './drain-rate.js';

export interface BatcherOptions {
  /** Id of the model, for errors and metrics. */
  readonly model: string;
  readonly maxTokens: number;
  readonly runner: BatchRunner;
  readonly limits: {
    readonly maxBatchTexts: number;
    readonly maxBatchTokens: number;
    /**
     * Tokens in a bulk batch at most: fewer than a full one has, since an interactive text that comes behind it waits for it; on CPU
     * the smaller batch costs little.
     */
    readonly bulkBatchTokens: number;
    /** Texts waiting in each lane at most. */
    readonly maxQueueTexts: number;
    /** Estimated tokens waiting in each lane at most. */
    readonly maxQueueTokens: number;
  };
  readonly telemetry: Telemetry;
}

interface BatchOptions extends Patience {
  readonly lane: EmbedLane;
}

/** The queue of one model, shared by all requests. */
export interface Batcher {
  /**
   * Embeds `texts`, which carry their prompts. A call is taken whole or rejects with OVERLOADED; an empty lane takes a call of any
   * size. Texts that nobody waits for any more leave the queue.
   */
  embed(texts: readonly string[], options: BatchOptions): Promise<EmbedOutcome[]>;
  /** Texts waiting for a worker. */
  queued(): number;
  /** Answers whoever waits with MODEL_VERSION_UNAVAILABLE, then waits for the batches in flight. */
  close(): Promise<void>;
}

/** A text that waits or is being computed, once for all who ask for it. */
interface Entry {
  readonly text: string;
  readonly tokens: number;
  readonly since: number;
  lane: EmbedLane;
  waiting: boolean;
  readonly tickets: Set<Ticket>;
}

/** One caller's claim on one entry. */
interface Ticket {
  readonly entry: Entry;
  readonly index: number;
  readonly caller: Caller;
}

interface Caller {
  readonly call: Call;
  readonly span: Span;
  /** Its texts that no worker has started; the queue span ends with the last. */
  waiting: number;
}

/** Makes the batcher of a model. */
export function createBatcher({ model, maxTokens, runner, limits, telemetry }: BatcherOptions): Batcher {
  const { metrics, tracer } = telemetry;
  const lanes = { interactive: createLane<Entry>(maxTokens), bulk: createLane<Entry>(maxTokens) };
  const full: BatchLimits = { maxTexts: limits.maxBatchTexts, maxTokens: limits.maxBatchTokens };
  // The worker cuts it into session runs of maxBatchTexts at most: the more it has to choose from, the less padding.
  const part: BatchLimits = { maxTexts: Infinity, maxTokens: limits.bulkBatchTokens };
  const entries = new Map<string, Entry>();
  const estimate: LengthEstimate = createLengthEstimate(maxTokens);
  const drain = createDrainRate();
  const running = new Set<Promise<void>>();
  let acquiring = false;
  let closed = false;

  const queued = (): number => lanes.interactive.texts + lanes.bulk.texts;
  const observeQueue: Parameters<typeof metrics.queueTexts.addCallback>[0] = (result) => {
    result.observe(queued(), { model });
  };
  metrics.queueTexts.addCallback(observeQueue);

  /** Throws OVERLOADED when the new ones among `texts` don't fit into a lane that is not empty. */
  function admit(texts: readonly string[], lane: EmbedLane): void {
    const { texts: waiting, tokens: waitingTokens } = lanes[lane];
    if (waiting === 0) return;
    let count = 0;
    let tokens = 0;
    for (const text of texts) {
      if (entries.has(text)) continue;
      count += 1;
      tokens += estimate.of(text);
    }
    if (count === 0) return;
    if (waiting + count <= limits.maxQueueTexts && waitingTokens + tokens <= limits.maxQueueTokens) return;
    throw new KindredError('OVERLOADED', `too many texts wait for the model version ${model}`, {
      retryAfterMs: drain.timeFor(waitingTokens),
    });
  }

  function join(text: string, index: number, caller: Caller, lane: EmbedLane): Ticket {
    let entry = entries.get(text);
    if (!entry) {
      const since = performance.now();
      entry = { text, tokens: estimate.of(text), since, lane, waiting: true, tickets: new Set() };
      entries.set(text, entry);
      lanes[lane].add(entry);
    } else if (entry.waiting && entry.lane === 'bulk' && lane === 'interactive') {
      lanes.bulk.remove(entry);
      entry.lane = lane;
      lanes.interactive.add(entry);
    }
    const ticket: Ticket = { entry, index, caller };
    entry.tickets.add(ticket);
    if (entry.waiting) caller.waiting += 1;
    return ticket;
  }

  function leave(ticket: Ticket): void {
    const { entry } = ticket;
    if (!entry.tickets.delete(ticket) || !entry.waiting || entry.tickets.size > 0) return;
    lanes[entry.lane].remove(entry);
    entries.delete(entry.text);
  }

  /** Asks for a worker while texts wait; one request at a time is enough, as each answer leads to the next. */
  function pump(): void {
    if (acquiring || queued() === 0) return;
    acquiring = true;
    runner
      .acquire(() => lanes.interactive.texts > 0)
      .then(
        (slot) => {
          acquiring = false;
          dispatch(slot);
          pump();
        },
        (error: unknown) => {
          acquiring = false;
          failQueue(error instanceof KindredError ? error : unavailable(model, 'has no worker', error));
        },
      );
  }

  function dispatch(slot: BatchSlot): void {
    const batch = lanes.interactive.take(full);
    if (batch.length === 0) batch.push(...lanes.bulk.take(part));
    if (batch.length === 0) {
      slot.release();
      return;
    }
    for (const entry of batch) started(entry);
    const work = compute(slot, batch);
    running.add(work);
    void work.then(() => running.delete(work));
  }

  function started(entry: Entry): void {
    entry.waiting = false;
    metrics.queueWait.record((performance.now() - entry.since) / 1000, { model, lane: entry.lane });
    for (const { caller } of entry.tickets) {
      caller.waiting -= 1;
      if (caller.waiting === 0) caller.span.end();
    }
  }

  async function compute(slot: BatchSlot, batch: readonly Entry[]): Promise<void> {
    const callers = new Set(batch.flatMap(({ tickets }) => [...tickets].map(({ caller }) => caller)));
    const span = startBatchSpan(
      telemetry,
      model,
      batch.length,
      [...callers].map((caller) => caller.span),
    );
    const start = performance.now();
    const result = await slot.run(batch.map(({ text }) => text)).catch((error: unknown): BatchResult => {
      const failure = unavailable(model, 'failed on the batch', error);
      return { outcomes: batch.map(() => failure), sessions: [], tokenizeMs: 0 };
    });
    const ms = performance.now() - start;
    endBatchSpan(telemetry, span, result);
    record(batch, result, ms);
    // One caller a turn of the event loop: what they all do next would block it for milliseconds when it came in one go.
    for (const [index, entry] of batch.entries()) {
      const answered = finish(entry, result.outcomes[index] ?? unavailable(model, 'gave too few answers'));
      if (answered && index < batch.length - 1) await nextTurn();
    }
  }

  function record(batch: readonly Entry[], { outcomes, sessions }: BatchResult, ms: number): void {
    batch.forEach(({ text }, index) => {
      const outcome = outcomes[index];
      if (outcome && !(outcome instanceof KindredError) && !outcome.truncated)
        estimate.learn(text, outcome.tokens);
    });
    drain.learn(
      batch.reduce((sum, { tokens }) => sum + tokens, 0),
      ms,
      running.size,
    );
    metrics.batchDuration.record(ms / 1000, { model });
    metrics.batchTexts.record(batch.length, { model });
    const tokens = sessions.reduce((sum, session) => sum + session.tokens, 0);
    if (tokens > 0) metrics.batchTokens.record(tokens, { model });
  }

  /** Answers all who wait for the entry; true when one of them now has all its texts. */
  function finish(entry: Entry, outcome: EmbedOutcome): boolean {
    entries.delete(entry.text);
    let answered = false;
    for (const { caller, index } of entry.tickets) {
      if (caller.call.settle(index, outcome)) answered = true;
    }
    return answered;
  }

  function failQueue(error: KindredError): void {
    for (const entry of [...entries.values()]) {
      if (!entry.waiting) continue;
      lanes[entry.lane].remove(entry);
      started(entry);
      finish(entry, error);
    }
  }

  return {
    embed: async (texts, options) => {
      if (closed) throw unavailable(model, 'is shutting down');
      const left = leftAlready(options);
      if (left) return texts.map(() => left);
      admit(texts, options.lane);

      const attributes = {
        'kindred.model': model,
        'kindred.texts': texts.length,
        'kindred.lane': options.lane,
      };
      const span = tracer.startSpan(SPAN.queue, { attributes }, context.active());
      const tickets: Ticket[] = [];
      const call = openCall(texts.length, options, () => {
        tickets.forEach(leave);
        if (caller.waiting > 0) span.end();
        caller.waiting = 0;
      });
      const caller: Caller = { call, span, waiting: 0 };
      texts.forEach((text, index) => tickets.push(join(text, index, caller, options.lane)));
      if (caller.waiting === 0) span.end();
      pump();
      return call.outcomes;
    },
    queued,
    close: async () => {
      closed = true;
      failQueue(unavailable(model, 'is shutting down'));
      await Promise.all(running);
      metrics.queueTexts.removeCallback(observeQueue);
    },
  };
}

function unavailable(model: string, what: string, cause?: unknown): KindredError {
  return new KindredError('MODEL_VERSION_UNAVAILABLE', `the model version ${model} ${what}`, { cause });
}
