import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import type { Reply, Request } from './messages.js';
import { type LoadedModel, loadModel } from './model.js';

/** Unix niceness of a worker; the main thread has 0. */
const NICE = 5;

const port = parentPort;
if (!port) throw new Error('expected to run as a worker thread');

// On Linux the kernel's priority is a thread's own: with all cores busy on batches, the main thread still gets its turn at once. Elsewhere
// it would be the process's, and change nothing between its threads.
if (process.platform === 'linux') setPriority(0, NICE);

const models = new Map<string, LoadedModel>();

async function answer(request: Request): Promise<Reply> {
  switch (request.type) {
    case 'ping':
      return { type: 'done' };
    case 'load':
      models.set(request.bundle.manifest.id, await loadModel(request.bundle, request.settings));
      return { type: 'done' };
    case 'unload':
      await models.get(request.model)?.release();
      models.delete(request.model);
      return { type: 'done' };
    case 'run': {
      const model = models.get(request.model);
      if (!model) return { type: 'failed', reason: `the model ${request.model} is not loaded` };
      return { type: 'ran', result: await model.run(request.texts) };
    }
    case 'close':
      await Promise.all([...models.values()].map((model) => model.release()));
      models.clear();
      return { type: 'done' };
  }
}

port.on('message', (request: Request) => {
  void answer(request)
    .catch((error: unknown): Reply => ({
      type: 'failed',
      reason: error instanceof Error ? error.message : String(error),
    }))
    .then((reply) => {
      port.postMessage(reply, reply.type === 'ran' ? [reply.result.vectors.buffer as ArrayBuffer] : []);
    });
});
