import { Worker } from 'node:worker_threads';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../package-root.js';
import type { FaissCall, FaissHits, FaissReply, FaissRequest, FaissWorkerData } from './faiss-messages.js';

/** A thread that holds an index, for searching or for building it. */
export interface FaissThread {
  /** Resolves with its answer; of a search the hits. Rejects when it fails, or when the thread has ended. */
  ask(request: FaissRequest, transfer?: readonly ArrayBuffer[]): Promise<FaissHits | undefined>;
  /** Whether it has ended. */
  readonly gone: boolean;
  /** Answers what it was asked, then ends. */
  retire(): Promise<void>;
  /** Ends at once. */
  close(): Promise<void>;
}

interface Pending {
  readonly resolve: (hits: FaissHits | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** Starts a thread. */
export function startFaissThread(data: FaissWorkerData): FaissThread {
  const worker = new Worker(pathToFileURL(packageRoot('dist/src/vectors/faiss-worker.js')), {
    workerData: data,
    // Flags of this process, such as a test runner's loader, are none of the built worker's business.
    execArgv: [],
  });
  // A process that has nothing else to do may end.
  worker.unref();
  const pending = new Map<number, Pending>();
  let next = 0;
  let ended: Error | undefined;
  const end = (error: Error): void => {
    ended ??= error;
    for (const { reject } of pending.values()) reject(ended);
    pending.clear();
  };
  worker.on('message', (reply: FaissReply) => {
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    if (pending.size === 0) worker.unref();
    if ('error' in reply) waiting?.reject(new Error(reply.error));
    else waiting?.resolve(reply.hits);
  });
  worker.on('error', (error) => {
    end(error instanceof Error ? error : new Error(String(error)));
  });
  worker.on('exit', (code) => {
    end(new Error(`the thread of the index has ended with code ${String(code)}`));
  });
  const ask: FaissThread['ask'] = (request, transfer = []) =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) {
        reject(ended);
        return;
      }
      next += 1;
      pending.set(next, { resolve, reject });
      worker.ref();
      worker.postMessage({ id: next, request } satisfies FaissCall, [...transfer]);
    });
  const close = async (): Promise<void> => {
    end(new Error('the index was closed'));
    await worker.terminate();
  };
  return {
    ask,
    close,
    retire: async () => {
      // What was asked before this is answered before it; what came meanwhile is waited for, too.
      do await ask({ type: 'put', vectors: new Float32Array(0), dead: [] }).catch(() => undefined);
      while (pending.size > 0);
      await close();
    },
    get gone() {
      return ended !== undefined;
    },
  };
}
