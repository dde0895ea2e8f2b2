import type { Bundle } from '../../models/bundle.js';
import type { Placement } from '../embedder.js';
import type { ModelSettings, Reply, Request, RunTuning } from './messages.js';
import { LOAD_MS, type ModelThread, startModelThread } from './model-thread.js';
import { ThreadGone, type ThreadOptions } from './thread.js';

/** Starts in a row that may fail before nobody waits for this member; it is still tried again, ever more seldom. */
const LOST_AFTER = 3;
const LONGEST_PAUSE_MS = 10_000;

export interface MemberOptions {
  readonly thread: ThreadOptions;
  readonly settings: ModelSettings;
  /** Time before a model that a new thread refused is tried again, in ms: its provider may be back. */
  readonly reloadMs: number;
  /** The models that a new thread must hold. */
  readonly bundles: () => Iterable<Bundle>;
  /** What the calibration chose for a model, once it has. */
  readonly tuning: (model: string) => RunTuning | undefined;
  /** Told whenever this member has become free, or can do less than before. */
  readonly onChange: () => void;
  /** Told why a thread was lost or a new one lacks a model, for the log. */
  readonly onFault: (reason: string) => void;
  /** Told of each thread that is replaced. */
  readonly onRestart: () => void;
}

/** One place in the pool: a worker thread, replaced whenever it dies, that does one thing at a time. */
export interface Member {
  holds(model: string): boolean;
  /** Where it runs a model; undefined when it doesn't hold it. */
  placement(model: string): Placement | undefined;
  /** Whether it could take a batch now. */
  isFree(): boolean;
  /** Whether a thread is being started that may yet hold every model. */
  isComing(): boolean;
  take(): void;
  release(): void;
  /** Asks the thread, for whoever has taken this member. Rejects with ThreadGone when it dies, with Error when it refuses. */
  ask(request: Request, timeoutMs: number): Promise<Reply>;
  /** Waits until the member is free, then loads. Rejects with the reason. */
  load(bundle: Bundle): Promise<void>;
  /** Loads into a new thread, with all other models, that takes the old one's place when it holds them. Rejects with the reason. */
  loadAside(bundle: Bundle): Promise<void>;
  /** Waits until the member is free, then asks the thread. Rejects with the reason. */
  askFree(request: Request): Promise<Reply>;
  unload(model: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a member. */
export function createMember(options: MemberOptions): Member {
  const jobs: { start: () => void; refuse: (error: Error) => void }[] = [];
  /** Threads that will take the current one's place. */
  const spares = new Set<ModelThread>();
  /** Models whose loading ended threads, more than one in a row: the next one does without them, or it would never serve the others. */
  const fatal = new Set<string>();
  let state: 'starting' | 'busy' | 'free' | 'closed' = 'starting';
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let reload: NodeJS.Timeout | undefined;
  let current = start(false);

  function start(hurried: boolean): ModelThread {
    const started = startModelThread({ ...options.thread, hurried }, (reason) => {
      onGone(started, reason);
    });
    void prepare(started);
    return started;
  }

  function onGone(gone: ModelThread, reason: string): void {
    // One that was replaced, or never came into place, is missed by nobody.
    if (state === 'closed' || gone !== current) return;
    options.onRestart();
    options.onFault(`a worker was lost: ${reason}`);
    // A thread that dies while it starts is noticed by `prepare`, which waits for it.
    if (state !== 'starting') restart();
  }

  /** Waits until the thread stands and holds every model. */
  async function prepare(started: ModelThread): Promise<void> {
    try {
      await started.stand();
      await loadAll(started);
      failures = 0;
      if (state === 'starting') free();
    } catch (error) {
      failures += 1;
      if (failures >= LOST_AFTER) refuseJobs(error instanceof Error ? error.message : String(error));
      if (state === 'starting') restart();
    }
  }

  /** Loads what the thread lacks. A model that it refuses is missing on it and tried again later; the others still serve. */
  async function loadAll(into: ModelThread): Promise<void> {
    for (const bundle of options.bundles()) {
      const { id } = bundle.manifest;
      if (fatal.has(id) && !into.models.has(id)) {
        reloadLater();
        continue;
      }
      try {
        await loadInto(into, bundle);
      } catch (error) {
        if (error instanceof ThreadGone) {
          if (failures > 0) fatal.add(id);
          throw error;
        }
        options.onFault(error instanceof Error ? error.message : String(error));
        reloadLater();
      }
    }
  }

  async function loadInto(into: ModelThread, bundle: Bundle): Promise<void> {
    const { id } = bundle.manifest;
    await into.load(bundle, options.settings, options.tuning(id));
    fatal.delete(id);
  }

  function reloadLater(): void {
    clearTimeout(reload);
    reload = setTimeout(() => {
      const missing = [...options.bundles()].find(({ manifest }) => !current.models.has(manifest.id));
      if (missing === undefined || state === 'closed') return;
      loadAside(missing).then(options.onChange, reloadLater);
    }, options.reloadMs);
    reload.unref();
  }

  /** Replaces the thread: at once the first time, then after ever longer pauses. */
  function restart(): void {
    state = 'starting';
    const pause = failures === 0 ? 0 : Math.min(50 * 2 ** failures, LONGEST_PAUSE_MS);
    timer = setTimeout(() => {
      // One that fails to start is in no hurry any more, so that its trials cost the main thread nothing.
      current = start(failures === 0);
    }, pause);
    options.onChange();
  }

  async function loadAside(bundle: Bundle): Promise<void> {
    const spare = startModelThread(options.thread, () => spares.delete(spare));
    spares.add(spare);
    try {
      await spare.stand();
      // Before the others, which then need not be loaded when it is refused.
      await loadInto(spare, bundle);
      await loadAll(spare);
      await exclusively(() => replaceBy(spare));
    } catch (error) {
      spares.delete(spare);
      void spare.close();
      throw error;
    }
  }

  /** Puts a thread in the place of the current one, which is ended. */
  async function replaceBy(spare: ModelThread): Promise<void> {
    // What was unloaded, or loaded, while it got ready.
    const wanted = new Set(Array.from(options.bundles(), ({ manifest }) => manifest.id));
    for (const model of spare.models.keys()) if (!wanted.has(model)) await spare.unload(model);
    await loadAll(spare);
    // It is gone, or this member is closed.
    if (!spares.delete(spare)) throw new ThreadGone('the new worker was lost');
    const replaced = current;
    current = spare;
    void replaced.close();
  }

  function free(): void {
    const job = jobs.shift();
    state = job ? 'busy' : 'free';
    if (job) job.start();
    else options.onChange();
  }

  function release(): void {
    if (state === 'busy') free();
  }

  /** Runs `work` while nobody else uses the member. */
  async function exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (state === 'closed') throw new Error('the worker pool is closed');
    if (state === 'free') state = 'busy';
    else {
      await new Promise<void>((resolve, refuse) => {
        jobs.push({ start: resolve, refuse });
      });
    }
    try {
      return await work();
    } finally {
      release();
    }
  }

  function refuseJobs(reason: string): void {
    for (const job of jobs.splice(0)) job.refuse(new Error(reason));
  }

  return {
    holds: (model) => current.models.has(model),
    placement: (model) => current.models.get(model),
    isFree: () => state === 'free',
    isComing: () => state === 'starting' && failures < LOST_AFTER,
    take: () => {
      state = 'busy';
    },
    release,
    ask: (what, timeoutMs) => current.ask(what, timeoutMs),
    load: (bundle) => exclusively(() => loadInto(current, bundle)),
    loadAside,
    askFree: (what) => exclusively(() => current.ask(what, LOAD_MS)),
    unload: (model) => {
      fatal.delete(model);
      return exclusively(() => current.unload(model));
    },
    close: async () => {
      state = 'closed';
      clearTimeout(timer);
      clearTimeout(reload);
      refuseJobs('the worker pool is closed');
      const threads = [current, ...spares];
      spares.clear();
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}
