import fc from 'fast-check';
import { expect, vi } from 'vitest';
import type { Batcher } from '../src/embedding/batcher.js';
import type { EmbedLane, EmbedOutcome } from '../src/embedding/embedder.js';
import type { BatchResult, BatchRunner } from '../src/embedding/runner.js';
import { KindredError } from '../src/errors.js';
import { alone, build, dead, resultOf, settle } from './held-runner.js';

/** What happens, in order. `which` picks one of those there are. */
type Event =
  | { type: 'arrives'; texts: string[]; lane: EmbedLane; patience: number }
  | { type: 'leaves' | 'finishes' | 'dies'; which: number }
  | { type: 'passes'; ms: number }
  /** The gateway begins or ends to refuse more than it answers. */
  | { type: 'overload'; lasts: boolean };

type Prefixes = Record<EmbedLane, readonly string[]>;

const which = fc.nat(1_000);
export const lane = fc.constantFrom('interactive' as const, 'bulk' as const);
const length = fc.constantFrom(1, 3, 4, 20, 160, 700);
/** Few, so that callers often share them; each lane has some of its own. */
const textOf = (prefixes: readonly string[]): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(...prefixes), length).map(([prefix, letters]) => prefix + 'x'.repeat(letters));
const arrival = (prefixes: Prefixes): fc.Arbitrary<Event> =>
  lane.chain((lane) =>
    fc.record({
      type: fc.constant('arrives' as const),
      texts: fc.array(textOf(prefixes[lane]), { maxLength: lane === 'bulk' ? 30 : 5 }),
      lane: fc.constant(lane),
      patience: fc.constantFrom(-1, 5, 50, Infinity, Infinity, Infinity),
    }),
  );

/** Any events in which the lanes have texts that begin so. `slow` workers have more to do than they can in time. */
export const eventsOf = (prefixes: Prefixes, slow = false): fc.Arbitrary<Event[]> =>
  fc.array(
    fc.oneof(
      { weight: 4, arbitrary: arrival(prefixes) },
      { weight: slow ? 1 : 4, arbitrary: fc.record({ type: fc.constant('finishes' as const), which }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('dies' as const), which }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('leaves' as const), which }) },
      {
        weight: slow ? 3 : 1,
        arbitrary: fc.record({ type: fc.constant('passes' as const), ms: fc.integer({ min: 1, max: 60 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constant('overload' as const), lasts: fc.boolean() }),
      },
    ),
    { minLength: 1, maxLength: 60 },
  );

/** What a caller may expect, and what it got. */
export interface CallerModel {
  readonly texts: readonly string[];
  readonly lane: EmbedLane;
  readonly since: number;
  readonly deadline: number;
  readonly client: AbortController;
  /** Bulk batches that have started since it came, while one of its texts waited. */
  overtaken: number;
  /** Its texts that no batch has held yet. */
  readonly unstarted: Set<string>;
  /** The batch that first held one of its texts, of those that have started since it came; counted from 1 for all. */
  firstBatch: number | undefined;
  answer: EmbedOutcome[] | KindredError | undefined;
  /** Set when it was let in and then refused. */
  refusedLate?: LateRefusal;
}

/** How things stood when one who waited was refused. */
interface LateRefusal {
  readonly at: number;
  readonly overloaded: boolean;
  /** Others who found no room since the last batch or the one before it. */
  readonly turnedAway: number;
  /** Batches so far, the one that its room went to included. */
  readonly batches: number;
}

interface BatchModel {
  finish(): void;
  die(): void;
  readonly texts: readonly string[];
}

interface SimulationOptions {
  readonly queueTexts?: number;
  readonly maxQueueMs?: number;
  /** Waits after each event until its consequences are over; else only after some. */
  readonly orderly?: boolean;
}

/** A batcher to which events happen; needs fake timers. */
export interface Simulation {
  readonly batcher: Batcher;
  readonly callers: readonly CallerModel[];
  /** Texts of batches whose worker died. */
  readonly killed: ReadonlySet<string>;
  readonly happen: (event: Event) => Promise<void>;
  readonly finishAll: () => Promise<void>;
}

/** The batcher over `places` fake workers, with a model of what everybody may expect of it. */
export function simulate(places: number, options: SimulationOptions = {}): Simulation {
  const callers: CallerModel[] = [];
  const batches: BatchModel[] = [];
  const killed = new Set<string>();
  const waiting: (() => void)[] = [];
  let free = places;
  let overloadedSince: number | undefined;
  let batchCount = 0;
  /** Callers who found no room since the last batch, and between it and the one before. */
  const turnedAway = { since: 0, before: 0 };
  /** Texts that the last event brought to a worker. */
  let justStarted: string[] = [];

  const isThere = ({ answer, client, deadline }: CallerModel): boolean =>
    answer === undefined && !client.signal.aborted && deadline > performance.now();
  const wanting = (text: string): CallerModel[] =>
    callers.filter((caller) => isThere(caller) && caller.texts.includes(text));

  const release = (): void => {
    free += 1;
    grant();
  };
  const grant = (): void => {
    if (free === 0) return;
    const next = waiting.shift();
    if (!next) return;
    free -= 1;
    next();
  };
  const noteStart = (texts: readonly string[]): void => {
    batchCount += 1;
    turnedAway.before = turnedAway.since;
    turnedAway.since = 0;
    justStarted.push(...texts);
    const isBulk = texts.every((text) => wanting(text).every((caller) => caller.lane === 'bulk'));
    for (const caller of callers) {
      for (const text of texts) if (caller.unstarted.delete(text)) caller.firstBatch ??= batchCount;
      if (isBulk && isThere(caller) && caller.unstarted.size > 0) caller.overtaken += 1;
    }
  };
  const start = (texts: readonly string[]): Promise<BatchResult> => {
    // Nobody computes what nobody wants any more, and nothing twice in a batch.
    for (const text of texts) expect(wanting(text)).not.toEqual([]);
    expect(new Set(texts).size).toBe(texts.length);
    noteStart(texts);
    return new Promise((resolve) => {
      const end = (outcomes: EmbedOutcome[]): void => {
        batches.splice(batches.indexOf(batch), 1);
        resolve(resultOf(outcomes));
        release();
      };
      const batch: BatchModel = {
        texts,
        finish: () => {
          end(texts.map(alone));
        },
        die: () => {
          for (const text of texts) killed.add(text);
          end(texts.map(() => dead));
        },
      };
      batches.push(batch);
    });
  };
  const runner: BatchRunner = {
    acquire: () =>
      new Promise((resolve) => {
        waiting.push(() => {
          resolve({ release, run: start });
        });
        grant();
      }),
    fault: () => undefined,
  };
  const limits = {
    maxBatchTexts: 4,
    maxBatchTokens: 400,
    bulkBatchTokens: 100,
    maxQueueTexts: options.queueTexts ?? 8,
    maxQueueTokens: 500,
    maxQueueMs: options.maxQueueMs ?? Infinity,
  };
  const overload = {
    lasts: () => (overloadedSince === undefined ? undefined : performance.now() - overloadedSince),
  };
  const batcher = build(runner, { maxTokens: 128, limits, overload });

  const arrive = async ({ texts, lane, patience }: Extract<Event, { type: 'arrives' }>): Promise<void> => {
    const since = performance.now();
    const client = new AbortController();
    const caller: CallerModel = {
      texts,
      lane,
      since,
      deadline: since + patience,
      client,
      overtaken: 0,
      unstarted: new Set(texts),
      firstBatch: undefined,
      answer: undefined,
    };
    // Those that a worker has begun already are no longer waiting.
    for (const batch of batches) for (const text of batch.texts) caller.unstarted.delete(text);
    callers.push(caller);
    const timed = Number.isFinite(patience) ? { deadline: caller.deadline } : {};
    let letIn = false;
    batcher.embed(texts, { lane, signal: client.signal, ...timed }).then(
      (outcomes) => (caller.answer = outcomes),
      (error: unknown) => {
        caller.answer = error as KindredError;
        if (!letIn) turnedAway.since += 1;
        else
          caller.refusedLate = {
            at: performance.now(),
            overloaded: overloadedSince !== undefined,
            turnedAway: turnedAway.since + turnedAway.before,
            batches: batchCount,
          };
      },
    );
    if (options.orderly) {
      await settle();
      letIn = caller.answer === undefined;
    }
  };
  const happen = async (event: Event): Promise<void> => {
    justStarted = [];
    if (event.type === 'arrives') await arrive(event);
    else if (event.type === 'passes') vi.advanceTimersByTime(event.ms);
    else if (event.type === 'overload')
      overloadedSince = event.lasts ? (overloadedSince ?? performance.now()) : undefined;
    else if (event.type === 'leaves') callers[event.which % callers.length]?.client.abort();
    else {
      const batch = batches[event.which % batches.length];
      if (event.type === 'finishes') batch?.finish();
      else batch?.die();
    }
    if (options.orderly) for (let turn = 0; turn < 8; turn++) await settle();
    else if (!('which' in event) || event.which % 2 === 0) await settle();
    // Whoever was refused for a batch is told after it has started.
    if (options.orderly) for (const text of justStarted) expect(wanting(text)).not.toEqual([]);
  };
  const finishAll = async (): Promise<void> => {
    // A batch hands its answers out one caller a turn.
    for (let turn = 0; turn < 1_000 && callers.some(({ answer }) => answer === undefined); turn++) {
      await settle();
      batches[0]?.finish();
    }
    // What only people who left had wanted may still run.
    while (batches.length > 0) {
      batches[0]?.finish();
      await settle();
    }
  };
  return { batcher, callers, killed, happen, finishAll };
}

/** Each text got its own answer, or an error for which there was a reason. */
export function expectRightAnswer(caller: CallerModel, killed: ReadonlySet<string>): void {
  const { answer, texts, lane, client, deadline } = caller;
  if (answer instanceof KindredError) {
    expect(answer.code).toBe('OVERLOADED');
    expect(lane).toBe('interactive');
    expect(answer.retryAfterMs).toBeGreaterThanOrEqual(100);
    expect(answer.retryAfterMs).toBeLessThanOrEqual(30_000);
    return;
  }
  expect(answer).toHaveLength(texts.length);
  answer?.forEach((outcome, at) => {
    const text = texts[at] ?? '';
    const code = outcome instanceof KindredError ? outcome.code : undefined;
    if (code === 'REQUEST_CANCELLED') expect(client.signal.aborted).toBe(true);
    else if (code === 'DEADLINE_EXCEEDED') expect(deadline).toBeLessThanOrEqual(performance.now());
    else if (code === 'MODEL_VERSION_UNAVAILABLE') expect(killed.has(text)).toBe(true);
    else expect(outcome).toEqual(alone(text));
  });
}
