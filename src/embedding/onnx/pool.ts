import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import type { Config } from '../../config.js';
import { KindredError } from '../../errors.js';
import type { Bundle } from '../../models/bundle.js';
import { packageRoot } from '../../package-root.js';
import type { Telemetry } from '../../telemetry.js';
import type { BatchResult, BatchRunner, BatchSlot } from '../runner.js';
import { type Member, createMember } from './member.js';
import type { ModelSettings } from './messages.js';
import { outcomesOf } from './outcomes.js';
import { ThreadGone } from './thread.js';

/** Tokens, padding included, of one session run on CPU: larger ones leave the cache, and gain nothing even where they don't. */
const CPU_RUN_TOKENS = 512;

export interface OnnxPoolOptions {
  readonly config: Pick<
    Config['embedding'],
    'threads' | 'intraOpThreads' | 'maxBatchTexts' | 'maxBatchTokens' | 'watchdogMs'
  >;
  readonly telemetry: Telemetry;
  /** Told of each worker that was lost, for the log. */
  readonly onFault?: (reason: string) => void;
  /** The module that workers run; default: the built worker of this package. */
  readonly workerUrl?: URL;
}

/** Worker threads shared by all models: each thread holds every loaded model, so any free thread can take any batch. */
export interface OnnxPool {
  /**
   * Loads a bundle into every worker; one after the other once the pool serves, so that the rest keep answering. Rejects with the
   * reason when a worker refuses it; then no worker keeps it.
   */
  load(bundle: Bundle): Promise<void>;
  unload(model: string): Promise<void>;
  /** Runs batches of a loaded model. */
  runner(bundle: Bundle): BatchRunner;
  /** Ends all workers; batches in flight fail. */
  close(): Promise<void>;
}

/** A batch that waits for a member. */
interface Waiter {
  readonly model: string;
  /** A batch whose worker died goes before all others. */
  readonly retry: boolean;
  readonly urgent: () => boolean;
  readonly grant: (member: Member) => void;
  readonly refuse: (error: KindredError) => void;
}

/** Starts the workers; they hold no model yet. */
export function createOnnxPool(options: OnnxPoolOptions): OnnxPool {
  const { config } = options;
  const settings: ModelSettings = {
    threads: config.intraOpThreads,
    limits: { maxTexts: config.maxBatchTexts, maxTokens: Math.min(config.maxBatchTokens, CPU_RUN_TOKENS) },
  };
  const bundles = new Map<string, Bundle>();
  const waiters = new Set<Waiter>();
  let loading: Promise<unknown> = Promise.resolve();
  const members: Member[] = [];
  const threads = config.threads === 0 ? Math.max(1, availableParallelism() - 1) : config.threads;
  for (let index = 0; index < threads; index++) {
    members.push(
      createMember({
        url: options.workerUrl ?? pathToFileURL(packageRoot('dist/src/embedding/onnx/worker.js')),
        settings,
        bundles: () => bundles.values(),
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
      const rank = waiter.retry ? 3 : waiter.urgent() ? 2 : 1;
      if (rank > bestRank) [best, bestRank] = [waiter, rank];
    }
    return best;
  }

  function acquire(model: string, urgent: () => boolean, retry: boolean): Promise<Member> {
    return new Promise((grant, refuse) => {
      waiters.add({ model, urgent, retry, grant, refuse });
      dispatch();
    });
  }

  async function runOn(member: Member, bundle: Bundle, texts: readonly string[]): Promise<BatchResult> {
    try {
      const run = { type: 'run', model: bundle.manifest.id, texts } as const;
      const reply = await member.ask(run, config.watchdogMs);
      if (reply.type !== 'ran') throw new Error(`expected vectors, but got ${reply.type}`);
      const { sessions, tokenizeMs } = reply.result;
      return { outcomes: outcomesOf(bundle, reply.result), sessions, tokenizeMs };
    } finally {
      member.release();
    }
  }

  /** Runs a batch; when its worker dies, once more on the next free one. */
  async function runTwice(member: Member, bundle: Bundle, texts: readonly string[]): Promise<BatchResult> {
    const { id } = bundle.manifest;
    try {
      return await runOn(member, bundle, texts).catch(async (error: unknown) => {
        if (!(error instanceof ThreadGone)) throw error;
        return runOn(await acquire(id, () => true, true), bundle, texts);
      });
    } catch (error) {
      const failure = error instanceof KindredError ? error : unavailable(id, 'failed on the batch', error);
      return { outcomes: texts.map(() => failure), sessions: [], tokenizeMs: 0 };
    }
  }

  function slot(bundle: Bundle, member: Member): BatchSlot {
    return {
      run: (texts) => runTwice(member, bundle, texts),
      release: () => {
        member.release();
      },
    };
  }

  async function load(bundle: Bundle): Promise<void> {
    const { id } = bundle.manifest;
    if (bundles.has(id)) throw new Error(`the model ${id} is loaded already`);
    const serves = bundles.size > 0;
    bundles.set(id, bundle);
    try {
      if (serves) for (const member of members) await member.load(bundle);
      else await Promise.all(members.map((member) => member.load(bundle)));
    } catch (error) {
      await unload(id);
      throw error;
    }
  }

  async function unload(model: string): Promise<void> {
    bundles.delete(model);
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
    runner: (bundle) => {
      const { id } = bundle.manifest;
      return {
        acquire: async (urgent) => slot(bundle, await acquire(id, urgent, false)),
        fault: () =>
          members.some((member) => member.holds(id)) ? undefined : `no worker holds the model version ${id}`,
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
