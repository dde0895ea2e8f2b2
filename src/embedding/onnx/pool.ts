import { pathToFileURL } from 'node:url';
import type { Config } from '../../config.js';
import { KindredError } from '../../errors.js';
import type { Bundle } from '../../models/bundle.js';
import { isImageOnly } from '../../models/manifest.js';
import { packageRoot } from '../../package-root.js';
import type { StopSignal } from '../../stop.js';
import type { Telemetry } from '../../telemetry.js';
import { type BulkShare, createBulkShare } from '../bulk-share.js';
import type { Placement } from '../embedder.js';
import type { BatchResult, BatchRunner, BatchSlot } from '../runner.js';
import { type Tuning, calibrate, runTuning } from './calibration.js';
import { type Member, createMember } from './member.js';
import type { ModelSettings, Request } from './messages.js';
import { outcomesOf } from './outcomes.js';
import { devicesOf, parseProviders, workerCount } from './providers.js';
import { ThreadGone } from './thread.js';

/** How texts are batched for a model that reads none. */
const NO_TEXTS: Tuning = {
  maxBatchTexts: 1,
  maxBatchTokens: 1,
  runTokens: 1,
  runCost: 0,
  textsPerSecond: null,
};

export interface OnnxPoolOptions {
  readonly config: Pick<
    Config['embedding'],
    | 'threads'
    | 'workerHeapMb'
    | 'executionProviders'
    | 'providerFallback'
    | 'intraOpThreads'
    | 'spinning'
    | 'maxBatchTexts'
    | 'maxBatchTokens'
    | 'runTokens'
    | 'watchdogMs'
  >;
  readonly telemetry: Telemetry;
  /** Told of each worker that was lost, for the log. */
  readonly onFault?: (reason: string) => void;
  /** Told what the calibration of each model chose. */
  readonly onTuned?: (model: string, tuning: Tuning) => void;
  /** Time before a model that a worker lost is tried again there, in ms. Default 10,000. */
  readonly reloadMs?: number;
  /** Unix niceness of the workers; by default that of workers for which callers wait. */
  readonly nice?: number;
  /** The module that workers run; default: the built worker of this package. */
  readonly workerUrl?: URL;
}

/** Worker threads shared by all models: each thread holds every loaded model, so any free thread can take any batch. */
export interface OnnxPool {
  /**
   * Loads a bundle into every worker. Once the pool has been asked for a batch, one after the other, so that the rest keep answering; a
   * single worker answers until a new one, which holds all models, takes its place. Rejects with the reason when a worker refuses it;
   * then no worker keeps it. Answers how its batches should be made, measured once it is loaded.
   */
  load(bundle: Bundle): Promise<Tuning>;
  unload(model: string): Promise<void>;
  /** What the queues of its models share. */
  readonly bulkShare: BulkShare;
  /** Runs batches of a loaded model; `requestOf` makes the request for texts that stand for something else. */
  runner(bundle: Bundle, requestOf?: RequestOf): BatchRunner;
  /** Ends all workers; batches in flight fail. */
  close(): Promise<void>;
}

/** What a worker is asked for a batch. */
type RequestOf = (texts: readonly string[]) => Request;

/** A loaded model, and what its workers are asked. */
interface Job {
  readonly bundle: Bundle;
  readonly requestOf: RequestOf;
}

/** A batch that waits for a member. */
interface Waiter {
  readonly model: string;
  /** A batch whose worker died counts as urgent. */
  readonly retry: boolean;
  readonly urgent: () => boolean;
  readonly grant: (member: Member) => void;
  readonly refuse: (error: KindredError) => void;
}

/** Starts the workers; they hold no model yet. */
export function createOnnxPool(options: OnnxPoolOptions): OnnxPool {
  const { config } = options;
  const devices = devicesOf(parseProviders(config.executionProviders));
  const settingsOf = (member: number): ModelSettings => ({
    threads: config.intraOpThreads,
    spinning: config.spinning,
    providers: devices[member % devices.length] ?? [],
    fallback: config.providerFallback,
  });
  const bundles = new Map<string, Bundle>();
  const tunings = new Map<string, Tuning>();
  const waiters = new Set<Waiter>();
  let loading: Promise<unknown> = Promise.resolve();
  let serves = false;
  const members: Member[] = [];
  const workers = workerCount(config);
  for (let index = 0; index < workers; index++) {
    members.push(
      createMember({
        thread: {
          url: options.workerUrl ?? pathToFileURL(packageRoot('dist/src/embedding/onnx/worker.js')),
          heapMb: config.workerHeapMb,
          nice: options.nice,
        },
        settings: settingsOf(index),
        reloadMs: options.reloadMs ?? 10_000,
        bundles: () => bundles.values(),
        tuning: (model) => runTuning(tunings.get(model)),
        onChange: dispatch,
        onFault: (reason) => options.onFault?.(reason),
        onRestart: () => {
          options.telemetry.metrics.workerRestarts.add(1);
        },
      }),
    );
  }

  /** Hands free members to those who wait, and refuses those who would wait for ever. */
  function dispatch(): void {
    for (const waiter of waiters) {
      const { model } = waiter;
      if (bundles.has(model) && members.some((member) => member.holds(model) || member.isComing())) continue;
      waiters.delete(waiter);
      waiter.refuse(unavailable(model, 'has no worker'));
    }
    for (const member of members) {
      const waiter = member.isFree() ? nextFor(member) : undefined;
      if (!waiter) continue;
      waiters.delete(waiter);
      member.take();
      waiter.grant(member);
    }
  }

  function nextFor(member: Member): Waiter | undefined {
    let best: Waiter | undefined;
    let bestRank = 0;
    for (const waiter of waiters) {
      if (!member.holds(waiter.model)) continue;
      // In turns with the urgent ones: the texts of a large bulk batch may be retried.
      const rank = waiter.retry || waiter.urgent() ? 2 : 1;
      if (rank > bestRank) [best, bestRank] = [waiter, rank];
    }
    return best;
  }

  function acquire(model: string, urgent: () => boolean, retry: boolean): Promise<Member> {
    serves = true;
    return new Promise((grant, refuse) => {
      waiters.add({ model, urgent, retry, grant, refuse });
      dispatch();
    });
  }

  async function runOn(
    member: Member,
    { bundle, requestOf }: Job,
    texts: readonly string[],
  ): Promise<BatchResult> {
    try {
      const reply = await member.ask(requestOf(texts), config.watchdogMs);
      if (reply.type !== 'ran') throw new Error(`expected vectors, but got ${reply.type}`);
      const { sessions, tokenizeMs } = reply.result;
      return { outcomes: outcomesOf(bundle, reply.result), sessions, tokenizeMs };
    } finally {
      member.release();
    }
  }

  /**
   * Runs a batch; when it fails, its texts run once more, each alone on the next free worker, as one of them may be to blame. A text that
   * was alone runs again only when its worker died.
   */
  async function runTwice(
    member: Member,
    job: Job,
    texts: readonly string[],
    signal?: StopSignal,
  ): Promise<BatchResult> {
    const { id } = job.bundle.manifest;
    const failed = (error: unknown): BatchResult => {
      const failure = error instanceof KindredError ? error : unavailable(id, 'failed on the batch', error);
      return { outcomes: texts.map(() => failure), sessions: [], tokenizeMs: 0 };
    };
    try {
      return await runOn(member, job, texts);
    } catch (error) {
      if (texts.length === 1 && !(error instanceof ThreadGone)) return failed(error);
    }
    const results: BatchResult[] = [];
    for (const text of texts) {
      if (signal?.aborted) return failed(signal.reason);
      const again = acquire(id, () => true, true).then((next) => runOn(next, job, [text]));
      results.push(await again.catch(failed));
    }
    return {
      outcomes: results.flatMap(({ outcomes: [outcome] }) => outcome ?? []),
      sessions: results.flatMap(({ sessions }) => sessions),
      tokenizeMs: results.reduce((sum, result) => sum + result.tokenizeMs, 0),
    };
  }

  function slot(job: Job, member: Member): BatchSlot {
    return {
      run: (texts, signal) => runTwice(member, job, texts, signal),
      release: () => {
        member.release();
      },
    };
  }

  async function load(bundle: Bundle): Promise<Tuning> {
    const { id } = bundle.manifest;
    if (bundles.has(id)) throw new Error(`the model ${id} is loaded already`);
    bundles.set(id, bundle);
    try {
      const [only, second] = members;
      if (serves && only && !second) await only.loadAside(bundle);
      else if (serves) for (const member of members) await member.load(bundle);
      else await Promise.all(members.map((member) => member.load(bundle)));
      return isImageOnly(bundle.manifest) ? NO_TEXTS : await tune(bundle);
    } catch (error) {
      await unload(id);
      throw error;
    }
  }

  /** One worker measures, run by run, so that batches of other models get in between; all are told. */
  async function tune({ manifest }: Bundle): Promise<Tuning> {
    const { id: model, maxTokens } = manifest;
    const tuning = await calibrate({
      measure: async (length, texts) => {
        const member = members.find((one) => one.holds(model));
        const reply = await member?.askFree({ type: 'measure', model, length, texts });
        if (reply?.type !== 'measured') throw new Error(`no worker measures the model ${model}`);
        return reply.ms;
      },
      maxTokens,
      accelerated: (placementOf(model)?.provider ?? 'cpu') !== 'cpu',
      pins: config,
    });
    tunings.set(model, tuning);
    const told = { type: 'tune', model, tuning: runTuning(tuning) } as const;
    // One that dies meanwhile gets it with the model.
    await Promise.all(members.map((member) => member.askFree(told).catch(() => undefined)));
    options.onTuned?.(model, tuning);
    return tuning;
  }

  /** Where a model runs; of several places a degraded one. */
  function placementOf(model: string): Placement | undefined {
    const placements = members.map((member) => member.placement(model)).filter((one) => one !== undefined);
    return placements.find(({ degraded }) => degraded !== undefined) ?? placements[0];
  }

  async function unload(model: string): Promise<void> {
    bundles.delete(model);
    tunings.delete(model);
    dispatch();
    // A member that dies meanwhile holds nothing any more.
    await Promise.all(members.map((member) => member.unload(model).catch(() => undefined)));
  }

  return {
    load: (bundle) => {
      const loaded = loading.then(() => load(bundle));
      loading = loaded.catch(() => undefined);
      return loaded;
    },
    unload,
    bulkShare: createBulkShare(),
    runner: (bundle, requestOf) => {
      const { id } = bundle.manifest;
      const job: Job = { bundle, requestOf: requestOf ?? ((texts) => ({ type: 'run', model: id, texts })) };
      return {
        acquire: async (urgent) => slot(job, await acquire(id, urgent, false)),
        fault: () =>
          members.some((member) => member.holds(id)) ? undefined : `no worker holds the model version ${id}`,
        placement: () => placementOf(id),
      };
    },
    close: async () => {
      bundles.clear();
      dispatch();
      await Promise.all(members.map((member) => member.close()));
    },
  };
}

function unavailable(model: string, what: string, cause?: unknown): KindredError {
  return new KindredError('MODEL_VERSION_UNAVAILABLE', `the model version ${model} ${what}`, { cause });
}
