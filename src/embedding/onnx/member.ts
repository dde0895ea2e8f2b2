import type { Bundle } from '../../models/bundle.js';
import type { ModelSettings, Reply, Request } from './messages.js';
import { type Thread, ThreadGone, startThread } from './thread.js';

/** Time that a thread may take to stand, in ms. */
const START_MS = 30_000;
/** Time that loading a model may take, in ms. */
const LOAD_MS = 120_000;
/** Starts in a row that may fail before nobody waits for this member; it is still tried again, ever more seldom. */
const LOST_AFTER = 3;
const LONGEST_PAUSE_MS = 10_000;

export interface MemberOptions {
  readonly url: URL;
  readonly settings: ModelSettings;
  /** The models that a new thread must hold. */
  readonly bundles: () => Iterable<Bundle>;
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
  unload(model: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a member. */
export function createMember(options: MemberOptions): Member {
  const models = new Set<string>();
  const jobs: { start: () => void; refuse: (error: Error) => void }[] = [];
  let state: 'starting' | 'busy' | 'free' | 'closed' = 'starting';
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let thread = start();

  function start(): Thread {
    const started = startThread(options.url, (reason) => {
      if (state === 'closed') return;
      models.clear();
      options.onRestart();
      options.onFault(`a worker was lost: ${reason}`);
      // A thread that dies while it starts is noticed by `prepare`, which waits for it.
      if (state !== 'starting') restart();
    });
    void prepare(started);
    return started;
  }

  /** Waits until the thread stands and holds every model. */
  async function prepare(started: Thread): Promise<void> {
    try {
      await request(started, { type: 'ping' }, START_MS);
      for (const bundle of options.bundles()) await loadOrReport(started, bundle);
      failures = 0;
      if (state === 'starting') free();
    } catch (error) {
      failures += 1;
      if (failures >= LOST_AFTER) refuseJobs(error instanceof Error ? error.message : String(error));
      if (state === 'starting') restart();
    }
  }

  /** A model that the thread refuses is missing on it; the others still serve. */
  async function loadOrReport(started: Thread, bundle: Bundle): Promise<void> {
    try {
      await loadInto(started, bundle);
    } catch (error) {
      if (error instanceof ThreadGone) throw error;
      options.onFault(error instanceof Error ? error.message : String(error));
    }
  }

  /** Replaces the thread: at once the first time, then after ever longer pauses. */
  function restart(): void {
    state = 'starting';
    const pause = failures === 0 ? 0 : Math.min(50 * 2 ** failures, LONGEST_PAUSE_MS);
    timer = setTimeout(() => {
      thread = start();
    }, pause);
    options.onChange();
  }

  async function loadInto(into: Thread, bundle: Bundle): Promise<void> {
    const { id } = bundle.manifest;
    if (models.has(id)) return;
    await request(into, { type: 'load', bundle, settings: options.settings }, LOAD_MS);
    models.add(id);
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
  async function exclusively(work: () => Promise<void>): Promise<void> {
    if (state === 'closed') throw new Error('the worker pool is closed');
    if (state === 'free') state = 'busy';
    else {
      await new Promise<void>((resolve, refuse) => {
        jobs.push({ start: resolve, refuse });
      });
    }
    try {
      await work();
    } finally {
      release();
    }
  }

  function refuseJobs(reason: string): void {
    for (const job of jobs.splice(0)) job.refuse(new Error(reason));
  }

  return {
    holds: (model) => models.has(model),
    isFree: () => state === 'free',
    isComing: () => state === 'starting' && failures < LOST_AFTER,
    take: () => {
      state = 'busy';
    },
    release,
    ask: (what, timeoutMs) => request(thread, what, timeoutMs),
    load: (bundle) => exclusively(() => loadInto(thread, bundle)),
    unload: (model) =>
      exclusively(async () => {
        if (models.delete(model)) await request(thread, { type: 'unload', model }, LOAD_MS);
      }),
    close: async () => {
      state = 'closed';
      clearTimeout(timer);
      refuseJobs('the worker pool is closed');
      await thread.close();
    },
  };
}

async function request(thread: Thread, what: Request, timeoutMs: number): Promise<Reply> {
  const reply = await thread.send(what, timeoutMs);
  if (reply.type === 'failed') throw new Error(reply.reason);
  return reply;
}
