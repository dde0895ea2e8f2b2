import { parentPort } from 'node:worker_threads';
import { yieldToMainThread } from '../../yield-cores.js';
import type { Reply, Request } from './messages.js';
import { type LoadedModel, loadModel } from './model.js';

const port = parentPort;
if (!port) throw new Error('expected to run as a worker thread');

yieldToMainThread();

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
