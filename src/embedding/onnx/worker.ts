import { parentPort, workerData } from 'node:worker_threads';
import { yieldToMainThread } from '../../yield-cores.js';
import type { LoadedModel } from './loaded-model.js';
import type { Reply, Request, WorkerData } from './messages.js';
import { SessionLost, loadModel } from './model.js';

const port = parentPort;
if (!port) throw new Error('expected to run as a worker thread');

// With the cores busy, a thread that yields takes seconds to start and load, and callers wait for one that replaces a lost one.
const { hurried, nice } = workerData as WorkerData;
let yields = hurried !== true || nice !== undefined;
if (yields) yieldToMainThread(nice);

/** Yields from the first batch on, or before a session starts threads of its own, which inherit the priority. */
function yieldBefore(request: Request): void {
  if (yields || request.type === 'ping') return;
  if (request.type === 'load' && request.settings.threads === 1) return;
  yields = true;
  yieldToMainThread();
}

const models = new Map<string, LoadedModel>();

function loaded(id: string): LoadedModel {
  const model = models.get(id);
  if (!model) throw new Error(`the model ${id} is not loaded`);
  return model;
}

async function answer(request: Request): Promise<Reply> {
  switch (request.type) {
    case 'ping':
      return { type: 'done' };
    case 'load': {
      const model = await loadModel(request.bundle, request.settings, request.tuning);
      models.set(request.bundle.manifest.id, model);
      return { type: 'loaded', placement: model.placement };
    }
    case 'unload':
      await models.get(request.model)?.release();
      models.delete(request.model);
      return { type: 'done' };
    case 'measure':
      return { type: 'measured', ms: await loaded(request.model).measure(request.length, request.texts) };
    case 'tune':
      loaded(request.model).tune(request.tuning);
      return { type: 'done' };
    case 'run':
      return { type: 'ran', result: await loaded(request.model).run(request.texts) };
    case 'run-images': {
      const result = await loaded(request.model).runImages?.(request.images, request.maxPixels);
      if (!result) throw new Error(`the model ${request.model} reads no images`);
      return { type: 'ran', result };
    }
    case 'close':
      await Promise.all([...models.values()].map((model) => model.release()));
      models.clear();
      return { type: 'done' };
  }
}

port.on('message', (request: Request) => {
  yieldBefore(request);
  void answer(request)
    .catch((error: unknown): Reply => ({
      type: error instanceof SessionLost ? 'lost' : 'failed',
      reason: error instanceof Error ? error.message : String(error),
    }))
    .then((reply) => {
      port.postMessage(reply, reply.type === 'ran' ? [reply.result.vectors.buffer as ArrayBuffer] : []);
    });
});
