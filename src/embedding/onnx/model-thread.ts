import type { Bundle } from '../../models/bundle.js';
import type { Placement } from '../embedder.js';
import type { ModelSettings, Reply, Request, RunTuning } from './messages.js';
import { type ThreadOptions, startThread } from './thread.js';

/** Time that a thread may take to stand, in ms. */
const START_MS = 30_000;
/** Time that loading a model may take, in ms. */
export const LOAD_MS = 120_000;

/** A worker thread and the models that it holds. */
export interface ModelThread {
  /** Where each model runs, by id; empty once the thread is gone. */
  readonly models: ReadonlyMap<string, Placement>;
  /** Asks the thread. Rejects with ThreadGone when it dies, with Error when it refuses. */
  ask(request: Request, timeoutMs: number): Promise<Reply>;
  /** Resolves as soon as the thread answers. */
  stand(): Promise<void>;
  /** Loads a model that it doesn't hold yet. Rejects with the reason. */
  load(bundle: Bundle, settings: ModelSettings, tuning: RunTuning | undefined): Promise<void>;
  unload(model: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a thread that holds no model. `onGone` runs once, when it has ended for whatever reason. */
export function startModelThread(options: ThreadOptions, onGone: (reason: string) => void): ModelThread {
  const models = new Map<string, Placement>();
  const thread = startThread(options, (reason) => {
    models.clear();
    onGone(reason);
  });
  const ask = async (request: Request, timeoutMs: number): Promise<Reply> => {
    const reply = await thread.send(request, timeoutMs);
    if (reply.type === 'failed') throw new Error(reply.reason);
    return reply;
  };
  return {
    models,
    ask,
    stand: async () => {
      await ask({ type: 'ping' }, START_MS);
    },
    load: async (bundle, settings, tuning) => {
      const { id } = bundle.manifest;
      if (models.has(id)) return;
      const reply = await ask({ type: 'load', bundle, settings, tuning }, LOAD_MS);
      if (reply.type === 'loaded') models.set(id, reply.placement);
    },
    unload: async (model) => {
      if (models.delete(model)) await ask({ type: 'unload', model }, LOAD_MS);
    },
    close: () => thread.close(),
  };
}
