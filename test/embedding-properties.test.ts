import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../src/config.js';
import { type Batcher, createBatcher } from '../src/embedding/batcher.js';
import type { EmbedLane, EmbedOutcome, Embedder, Embedding } from '../src/embedding/embedder.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { type OnnxPool, createOnnxPool } from '../src/embedding/onnx/pool.js';
import type { BatchRunner } from '../src/embedding/runner.js';
import { KindredError } from '../src/errors.js';
import { readBundle } from '../src/models/bundle.js';
import { packageRoot } from '../src/package-root.js';
import { noTelemetry } from '../src/telemetry.js';
import { asEmbedding, cosine } from './conformance/embedder.js';

/** What a text gets when nobody else is there: a vector that only this text has, or its own error. */
function alone(text: string): EmbedOutcome {
  if (text.startsWith('bad')) return new KindredError('BAD_USER_INPUT', `bad: ${text}`);
  const vector = Float32Array.from(text, (letter) => letter.charCodeAt(0));
  return { vector, tokens: text.length, truncated: false };
}

const dead = new KindredError('MODEL_VERSION_UNAVAILABLE', 'its worker died');
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What happens, in order. `which` picks one of those there are. */
type Event =
  | { type: 'arrives'; texts: string[]; lane: EmbedLane; patience: number }
  | { type: 'leaves' | 'finishes' | 'dies'; which: number }
  | { type: 'passes'; ms: number };

const which = fc.nat(1_000);
const lane = fc.constantFrom('interactive' as const, 'bulk' as const);
const length = fc.constantFrom(1, 3, 4, 20, 160, 700);
/** Few, so that callers often share them; each lane has some of its own. */
const textOf = (prefixes: readonly string[]): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(...prefixes), length).map(([prefix, letters]) => prefix + 'x'.repeat(letters));
const arrival = (prefixes: Record<EmbedLane, readonly string[]>): fc.Arbitrary<Event> =>
  lane.chain((lane) =>
    fc.record({
      type: fc.constant('arrives' as const),
      texts: fc.array(textOf(prefixes[lane]), { maxLength: lane === 'bulk' ? 30 : 5 }),
      lane: fc.constant(lane),
      patience: fc.constantFrom(-1, 5, 50, Infinity, Infinity, Infinity),
    }),
  );
const eventsOf = (prefixes: Record<EmbedLane, readonly string[]>): fc.Arbitrary<Event[]> =>
  fc.array(
    fc.oneof(
      { weight: 4, arbitrary: arrival(prefixes) },
      { weight: 4, arbitrary: fc.record({ type: fc.constant('finishes' as const), which }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('dies' as const), which }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('leaves' as const), which }) },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constant('passes' as const), ms: fc.integer({ min: 1, max: 60 }) }),
      },
    ),
    { minLength: 1, maxLength: 60 },
  );

interface CallerModel {
  readonly texts: readonly string[];
  readonly lane: EmbedLane;
  readonly deadline: number;
  readonly client: AbortController;
  /** Bulk batches that have started since it came, while one of its texts waited. */
  overtaken: number;
  /** Its texts that no batch has held yet. */
  readonly unstarted: Set<string>;
  answer: EmbedOutcome[] | KindredError | undefined;
}

interface BatchModel {
  readonly texts: readonly string[];
  finish(): void;
  die(): void;
}

interface SimulationOptions {
  readonly queueTexts?: number;
  /** Waits after each event until its consequences are over; else only after some. */
  readonly orderly?: boolean;
}

/** The batcher over `places` fake workers, with a model of what everybody may expect of it. */
function simulate(places: number, options: SimulationOptions = {}): Simulation {
  const callers: CallerModel[] = [];
  const batches: BatchModel[] = [];
  const killed = new Set<string>();
  const waiting: (() => void)[] = [];
  let free = places;

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
  const start = (texts: readonly string[]): Promise<EmbedOutcome[]> => {
    // Nobody computes what nobody wants any more, and nothing twice in a batch.
    for (const text of texts) expect(wanting(text)).not.toEqual([]);
    expect(new Set(texts).size).toBe(texts.length);
    const isBulk = texts.every((text) => wanting(text).every((caller) => caller.lane === 'bulk'));
    for (const caller of callers) {
      for (const text of texts) caller.unstarted.delete(text);
      if (isBulk && isThere(caller) && caller.unstarted.size > 0) caller.overtaken += 1;
    }
    return new Promise((resolve) => {
      const end = (outcomes: EmbedOutcome[]): void => {
        batches.splice(batches.indexOf(batch), 1);
        resolve(outcomes);
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
          resolve({
            release,
            run: async (texts) => ({ outcomes: await start(texts), sessions: [], tokenizeMs: 0 }),
          });
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
  };
  const batcher = createBatcher({ model: 'm', maxTokens: 128, runner, limits, telemetry: noTelemetry() });

  const arrive = ({ texts, lane, patience }: Extract<Event, { type: 'arrives' }>): void => {
    const deadline = performance.now() + patience;
    const client = new AbortController();
    const caller: CallerModel = {
      texts,
      lane,
      deadline,
      client,
      overtaken: 0,
      unstarted: new Set(texts),
      answer: undefined,
    };
    // Those that a worker has begun already are no longer waiting.
    for (const batch of batches) for (const text of batch.texts) caller.unstarted.delete(text);
    callers.push(caller);
    const timed = Number.isFinite(deadline) ? { deadline } : {};
    batcher.embed(texts, { lane, signal: client.signal, ...timed }).then(
      (outcomes) => (caller.answer = outcomes),
      (error: unknown) => (caller.answer = error as KindredError),
    );
  };
  const happen = async (event: Event): Promise<void> => {
    if (event.type === 'arrives') arrive(event);
    else if (event.type === 'passes') vi.advanceTimersByTime(event.ms);
    else if (event.type === 'leaves') callers[event.which % callers.length]?.client.abort();
    else {
      const batch = batches[event.which % batches.length];
      if (event.type === 'finishes') batch?.finish();
      else batch?.die();
    }
    if (options.orderly) for (let turn = 0; turn < 8; turn++) await settle();
    else if (!('which' in event) || event.which % 2 === 0) await settle();
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

interface Simulation {
  readonly batcher: Batcher;
  readonly callers: readonly CallerModel[];
  /** Texts of batches whose worker died. */
  readonly killed: ReadonlySet<string>;
  readonly happen: (event: Event) => Promise<void>;
  readonly finishAll: () => Promise<void>;
}

/** Each text got its own answer, or an error for which there was a reason. */
function expectRightAnswer(caller: CallerModel, killed: ReadonlySet<string>): void {
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

describe('any interleaving of arrivals, departures, deadlines and deaths', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('gives every caller exactly one answer a text, in order, equal to what the text gets alone', async () => {
    const prefixes = { interactive: ['a', 'b', 'bad', 'shared'], bulk: ['c', 'bad', 'shared'] };
    await fc.assert(
      fc.asyncProperty(eventsOf(prefixes), fc.integer({ min: 1, max: 3 }), async (events, places) => {
        const { batcher, callers, killed, happen, finishAll } = simulate(places);
        for (const event of events) await happen(event);
        await finishAll();
        for (const caller of callers) expectRightAnswer(caller, killed);
        expect(batcher.queued()).toBe(0);
        await batcher.close();
      }),
      { numRuns: 300 },
    );
  });

  it('never lets more than one bulk batch start before an interactive text that waits', async () => {
    // Lanes share no text here: one that changed over would make a batch that looks like both.
    const prefixes = { interactive: ['a', 'b', 'd'], bulk: ['c', 'e'] };
    await fc.assert(
      fc.asyncProperty(eventsOf(prefixes), fc.integer({ min: 1, max: 3 }), async (events, places) => {
        const { batcher, callers, happen, finishAll } = simulate(places, {
          queueTexts: 1_000,
          orderly: true,
        });
        // Long enough for the bulk lane to get its turn in between.
        for (const event of [...events, ...events, ...events]) await happen(event);
        await finishAll();
        for (const caller of callers)
          if (caller.lane === 'interactive') expect(caller.overtaken).toBeLessThanOrEqual(1);
        await batcher.close();
      }),
      { numRuns: 200 },
    );
  });
});

describe('real workers under any mixture', () => {
  const WORDS = ['red', 'shoe', 'garden', 'hose', 'for', 'running', 'waterproof', 'jacket', 'kids', 'and'];
  const sentence = fc
    .array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 40 })
    .map((words) => words.join(' '));
  let folder: string;
  const pools: OnnxPool[] = [];
  const embedders: Record<string, Embedder> = {};

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kindred-properties-'));
    const telemetry = noTelemetry();
    const config = loadConfig({ env: {}, flags: { 'embedding.threads': '2' } });
    const workerUrl = pathToFileURL(packageRoot('test/fixtures/faulty-worker.mjs'));
    for (const version of ['v1', 'v2']) {
      // A pool for each, so that a worker that is replaced is soon there.
      const pool = createOnnxPool({ config: config.embedding, telemetry, workerUrl });
      pools.push(pool);
      const bundle = await readBundle(packageRoot(`deploy/models/${version}`));
      embedders[version] = await createLocalEmbedder({ bundle, pool, config, telemetry });
    }
  }, 60_000);
  afterAll(async () => {
    for (const embedder of Object.values(embedders)) await embedder.close();
    for (const pool of pools) await pool.close();
    await rm(folder, { recursive: true });
  });

  const embedderOf = (version: string): Embedder => {
    const embedder = embedders[version];
    if (!embedder) throw new Error(`expected the model ${version}`);
    return embedder;
  };
  const known = new Map<string, Embedding>();
  const embeddingAlone = async (version: string, text: string): Promise<Embedding> => {
    const embedding =
      known.get(version + text) ??
      asEmbedding((await embedderOf(version).embed([text], { purpose: 'query' }))[0]);
    known.set(version + text, embedding);
    return embedding;
  };
  const expectSame = async (
    version: string,
    text: string,
    outcome: EmbedOutcome | undefined,
  ): Promise<void> => {
    const got = asEmbedding(outcome);
    const want = await embeddingAlone(version, text);
    expect(cosine(got.vector, want.vector)).toBeGreaterThanOrEqual(0.99999);
    expect([got.tokens, got.truncated]).toEqual([want.tokens, want.truncated]);
  };

  const call = fc.record({
    texts: fc.array(
      fc.oneof({ weight: 6, arbitrary: sentence }, { weight: 1, arbitrary: fc.constant(' ') }),
      {
        minLength: 1,
        maxLength: 8,
      },
    ),
    lane,
    leaves: fc.boolean(),
    late: fc.boolean(),
  });
  /** `once` and `always` tell how often the text that comes with it kills its worker. */
  const fault = fc.constantFrom(undefined, 'exit once', 'throw once', 'exit always');
  let runs = 0;

  it('X5: gives every text of v1 what it gets alone, whoever leaves and whichever worker dies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 8 }), fault, async (calls, fault) => {
        const [kind = '', times] = fault?.split(' ') ?? [];
        const killer = `fault:${kind}:${times === 'always' ? times : join(folder, String(runs++))}`;
        const embedder = embedderOf('v1');
        const answers = calls.map(async ({ texts, lane, leaves, late }, index) => {
          const asked = fault && index === 0 ? [...texts, killer] : texts;
          if (late) await settle();
          const client = new AbortController();
          const answer = embedder.embed(asked, { purpose: 'query', lane, signal: client.signal });
          if (leaves && index > 0)
            setImmediate(() => {
              client.abort();
            });
          return { asked, client, outcomes: await answer };
        });
        for (const { asked, client, outcomes } of await Promise.all(answers)) {
          expect(outcomes).toHaveLength(asked.length);
          for (const [at, text] of asked.entries()) {
            const outcome = outcomes[at];
            const code = outcome instanceof KindredError ? outcome.code : undefined;
            if (code === 'REQUEST_CANCELLED') expect(client.signal.aborted).toBe(true);
            else if (text === ' ') expect(outcome).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'EMPTY' });
            else if (text === killer && times === 'always') expect(code).toBe('MODEL_VERSION_UNAVAILABLE');
            else if (text !== killer) await expectSame('v1', text, outcome);
            else asEmbedding(outcome);
          }
        }
        // The last worker that died may still be on its way back.
        await expect
          .poll(() => embedder.health(), { timeout: 30_000 })
          .toMatchObject({ ready: true, queued: 0 });
      }),
      { numRuns: 8, endOnFailure: true },
    );
  }, 60_000);

  it('gives texts of v2 in one batch of mixed lengths what each gets alone', async () => {
    const texts = Array.from({ length: 12 }, (_, index) =>
      Array.from({ length: 1 + index * 3 }, (_, at) => WORDS[(index * 7 + at) % WORDS.length]).join(' '),
    );
    const outcomes = await embedderOf('v2').embed(texts, { purpose: 'query' });
    for (const [at, text] of texts.entries()) await expectSame('v2', text, outcomes[at]);
  }, 30_000);
});
