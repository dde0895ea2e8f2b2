import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Span, context } from '@opentelemetry/api';
import { KindredError } from '../errors.js';
import type { Overload } from '../overload.js';
import { createStop } from '../stop.js';
import { SPAN, type Telemetry } from '../telemetry.js';
import { endBatchSpan, startBatchSpan } from './batch-span.js';
import { type BulkShare, createBulkShare } from './bulk-share.js';
import { type Patience, leftAlready, openCall } from './call.js';
import { createDrainRate } from './drain-rate.js';
import type { EmbedLane, EmbedOutcome } from './embedder.js';
import { type LengthEstimate, createLengthEstimate } from './estimate.js';
import { type BatchLimits, createLane } from './lane.js';
import { createQueueBounds } from './queue-bounds.js';
import type { Backlog, Caller, Entry, Ticket, Underway } from './queue-entry.js';
import type { BatchResult, BatchRunner, BatchSlot } from './runner.js';

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
    /** Estimated tokens waiting in each lane at most; a single text fits into an empty lane whatever its length. */
    readonly maxQueueTokens: number;
    /** Time that what waits in the interactive lane may take, in ms, for another call to be taken behind it. Default: any. */
    readonly maxQueueMs?: number;
  };
  /** Shared by all models on the same workers; by default the model's own. */
  readonly bulkShare?: BulkShare;
  /**
   * Whether the gateway refuses more than it answers. Then what has waited for half of `maxQueueMs` is refused for those who come after it;
   * once it has lasted for longer than `maxQueueMs`, half of it is left for them, too.
   */
  readonly overload?: Pick<Overload, 'lasts'> | undefined;
  /** Tokens that all workers compute in a millisecond, where that is known: the first guess of how fast the queue empties. */
  readonly tokensPerMs?: number | undefined;
  readonly telemetry: Telemetry;
}

interface BatchOptions extends Patience {
  readonly lane: EmbedLane;
}

/** The queue of one model, shared by all requests. */
export interface Batcher {
  /**
   * Embeds `texts`, which carry their prompts. An interactive call is taken whole or rejects with OVERLOADED, whether it is of one text or
   * many and whatever waits: its new texts must fit into what is left of the lane. Under an overload it may also reject later, as long as
   * none of its texts has been started. A bulk call never does: its texts enter the lane as room comes free, behind those of earlier bulk
   * calls. Texts that nobody waits for any more leave the queue.
   */
  embed(texts: readonly string[], options: BatchOptions): Promise<EmbedOutcome[]>;
  /** Texts waiting for a worker; those of bulk calls that have found no room yet are not counted. */
  queued(): number;
  /** Answers whoever waits with MODEL_VERSION_UNAVAILABLE, then waits for the batches in flight. */
  close(): Promise<void>;
}

/** Callers that get their answers in one turn of the event loop. */
const CALLERS_A_TURN = 2;

/** Makes the batcher of a model. */
export function createBatcher(options: BatcherOptions): Batcher {
  const { model, maxTokens, runner, limits, telemetry, overload, bulkShare = createBulkShare() } = options;
  const { metrics, tracer } = telemetry;
  const lanes = { interactive: createLane<Entry>(maxTokens), bulk: createLane<Entry>(maxTokens) };
  const full: BatchLimits = { maxTexts: limits.maxBatchTexts, maxTokens: limits.maxBatchTokens };
  // The worker cuts it into session runs of maxBatchTexts at most: the more it has to choose from, the less padding.
  const part: BatchLimits = { maxTexts: Infinity, maxTokens: limits.bulkBatchTokens };
  const entries = new Map<string, Entry>();
  /** Oldest first. */
  const backlogs = new Set<Backlog>();
  const estimate: LengthEstimate = createLengthEstimate(maxTokens);
  const drain = createDrainRate(options.tokensPerMs);
  const mostTokens = Math.max(limits.maxQueueTokens, maxTokens);
  const bounds = createQueueBounds({
    model,
    maxTokens,
    overload,
    entries,
    estimate,
    drain,
    interactive: lanes.interactive,
    limits: { ...limits, maxQueueTokens: mostTokens },
  });
  const turn = bulkShare.join({
    oldestInteractive: () => lanes.interactive.oldest?.since,
    bulkTexts: () => lanes.bulk.texts,
  });
  const running = new Set<Promise<void>>();
  let acquiring = false;
  let closed = false;

  const queued = (): number => lanes.interactive.texts + lanes.bulk.texts;
  const observeQueue: Parameters<typeof metrics.queueTexts.addCallback>[0] = (result) => {
    result.observe(queued(), { model });
  };
  metrics.queueTexts.addCallback(observeQueue);

  function join(text: string, index: number, caller: Caller, lane: EmbedLane): void {
    let entry = entries.get(text);
    if (!entry) {
      const since = performance.now();
      entry = { text, tokens: estimate.of(text), since, lane, waiting: true, tickets: new Set() };
      entries.set(text, entry);
      lanes[lane].add(entry);
    } else if (entry.waiting && entry.lane === 'bulk' && lane === 'interactive') {
      lanes.bulk.remove(entry);
      entry.lane = lane;
      entry.since = performance.now();
      lanes.interactive.add(entry);
    }
    const ticket: Ticket = { entry, index, caller };
    if (entry.batch && entry.tickets.size === 0) entry.batch.wanted += 1;
    entry.tickets.add(ticket);
    caller.tickets.push(ticket);
    if (!entry.waiting) startedFor(caller);
  }

  function leave(ticket: Ticket): void {
    const { entry } = ticket;
    if (!entry.tickets.delete(ticket) || entry.tickets.size > 0) return;
    if (entry.batch) unwant(entry.batch);
    if (!entry.waiting) return;
    lanes[entry.lane].remove(entry);
    entries.delete(entry.text);
  }

  function unwant(batch: Underway): void {
    batch.wanted -= 1;
    if (batch.wanted > 0) return;
    // Nobody may join what is being dropped.
    batch.entries.forEach(forget);
    batch.stop.abort();
  }

  /** Another caller may have asked for the same text again since. */
  function forget(entry: Entry): void {
    if (entries.get(entry.text) === entry) entries.delete(entry.text);
  }

  /** Lets texts of bulk calls in as long as there is room for them. */
  function fillBulk(): void {
    for (const backlog of backlogs) {
      const { texts, caller } = backlog;
      for (; backlog.next < texts.length; backlog.next++) {
        const text = texts[backlog.next] ?? '';
        const { texts: waiting, tokens } = lanes.bulk;
        const fits = waiting < limits.maxQueueTexts && tokens + estimate.of(text) <= mostTokens;
        if (!fits && !entries.has(text)) return;
        join(text, backlog.next, caller, 'bulk');
      }
      backlogs.delete(backlog);
    }
  }

  /** Asks for a worker while texts wait; one request at a time is enough, as each answer leads to the next. */
  function pump(): void {
    if (acquiring || queued() === 0) return;
    acquiring = true;
    runner
      .acquire(() => lanes.interactive.texts > 0 || turn.due())
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
    const { lane, batch } = nextBatch();
    fillBulk();
    if (batch.length === 0) {
      slot.release();
      return;
    }
    for (const entry of batch) started(entry);
    const work = compute(slot, batch, lane);
    running.add(work);
    void work.then(() => running.delete(work));
  }

  function nextBatch(): { lane: EmbedLane; batch: Entry[] } {
    bounds.refuseStale();
    for (;;) {
      const lane = lanes.interactive.texts === 0 || turn.due() ? 'bulk' : 'interactive';
      const taken = lanes[lane].take(lane === 'bulk' ? part : full);
      const batch = withoutExpired(taken);
      if (batch.length > 0 || queued() === 0) return { lane, batch };
    }
  }

  /** Timers fire late on a busy event loop; what is worthless by now needs no worker. */
  function withoutExpired(batch: Entry[]): Entry[] {
    const now = performance.now();
    for (const { tickets } of batch) for (const { caller } of tickets) caller.call.expire(now);
    return batch.every(({ tickets }) => tickets.size > 0)
      ? batch
      : batch.filter(({ tickets }) => tickets.size > 0);
  }

  function started(entry: Entry): void {
    entry.waiting = false;
    metrics.queueWait.record((performance.now() - entry.since) / 1000, { model, lane: entry.lane });
    for (const { caller } of entry.tickets) startedFor(caller);
  }

  function startedFor(caller: Caller): void {
    caller.waiting -= 1;
    if (caller.waiting === 0) caller.span.end();
  }

  async function compute(slot: BatchSlot, batch: readonly Entry[], lane: EmbedLane): Promise<void> {
    const callers = new Set<Span>();
    for (const { tickets } of batch) for (const { caller } of tickets) callers.add(caller.span);
    const span = startBatchSpan(telemetry, model, batch.length, [...callers]);
    const start = performance.now();
    turn.started(lane);
    const stop = createStop();
    const underway: Underway = { entries: batch, wanted: batch.length, stop };
    for (const entry of batch) entry.batch = underway;
    const texts = batch.map(({ text }) => text);
    const result = await slot.run(texts, stop.signal).catch((error: unknown): BatchResult => {
      const failure = unavailable(model, 'failed on the batch', error);
      return { outcomes: batch.map(() => failure), sessions: [], tokenizeMs: 0 };
    });
    const end = performance.now();
    turn.ended(lane);
    endBatchSpan(telemetry, span, result);
    record(batch, result, start, end);
    // A few callers a turn of the event loop: what they all do next would block it for milliseconds when it came in one go.
    let answered = 0;
    for (const [index, entry] of batch.entries()) {
      if (finish(entry, result.outcomes[index] ?? unavailable(model, 'gave too few answers'))) answered += 1;
      if (answered < CALLERS_A_TURN || index === batch.length - 1) continue;
      answered = 0;
      await nextTurn();
    }
  }

  function record(
    batch: readonly Entry[],
    { outcomes, sessions }: BatchResult,
    start: number,
    end: number,
  ): void {
    let estimated = 0;
    for (const [index, { text, tokens }] of batch.entries()) {
      const outcome = outcomes[index];
      estimated += tokens;
      // A server may not tell how many tokens there were.
      if (outcome && !(outcome instanceof KindredError) && !outcome.truncated && outcome.tokens > 0)
        estimate.learn(text, outcome.tokens);
    }
    // Only while more waits: one text alone, or one worker of many, tells nothing of what full batches in all of them would do.
    if (queued() > 0) drain.learn(estimated, start, end);
    metrics.batchDuration.record((end - start) / 1000, { model });
    metrics.batchTexts.record(batch.length, { model });
    const tokens = sessions.reduce((sum, session) => sum + session.tokens, 0);
    if (tokens > 0) metrics.batchTokens.record(tokens, { model });
  }

  /** Answers all who wait for the entry; true when one of them now has all its texts. */
  function finish(entry: Entry, outcome: EmbedOutcome): boolean {
    forget(entry);
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
    for (const { caller, next, texts } of [...backlogs]) {
      for (let index = next; index < texts.length; index++) {
        startedFor(caller);
        caller.call.settle(index, error);
      }
    }
    backlogs.clear();
  }

  return {
    embed: async (texts, { lane, ...patience }) => {
      if (closed) throw unavailable(model, 'is shutting down');
      const left = leftAlready(patience);
      if (left) return texts.map(() => left);
      if (lane === 'interactive') bounds.admit(texts);

      const attributes = { 'kindred.model': model, 'kindred.texts': texts.length, 'kindred.lane': lane };
      const span = tracer.startSpan(SPAN.queue, { attributes }, context.active());
      const call = openCall(texts.length, patience, () => {
        backlogs.delete(backlog);
        for (const ticket of caller.tickets) leave(ticket);
        if (caller.waiting > 0) span.end();
        caller.waiting = 0;
        // It may have made room for others.
        fillBulk();
        pump();
      });
      const caller: Caller = { call, lane, span, tickets: [], waiting: texts.length };
      const backlog: Backlog = { texts, caller, next: 0 };
      if (texts.length === 0) span.end();
      if (lane === 'bulk') {
        backlogs.add(backlog);
        fillBulk();
      } else for (const [index, text] of texts.entries()) join(text, index, caller, lane);
      pump();
      return call.outcomes;
    },
    queued,
    close: async () => {
      closed = true;
      failQueue(unavailable(model, 'is shutting down'));
      await Promise.all(running);
      turn.leave();
      metrics.queueTexts.removeCallback(observeQueue);
    },
  };
}

function unavailable(model: string, what: string, cause?: unknown): KindredError {
  return new KindredError('MODEL_VERSION_UNAVAILABLE', `the model version ${model} ${what}`, { cause });
}
