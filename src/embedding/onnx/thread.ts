import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Reply, Request, WorkerData } from './messages.js';

/** Why a request got no reply: its thread crashed, left, or was ended because it hung. */
export class ThreadGone extends Error {
  override readonly name = 'ThreadGone';
}

/** A worker thread that answers one request at a time. */
export interface Thread {
  /** Rejects with ThreadGone when the thread ends first, also when it is ended for taking longer than `timeoutMs`. */
  send(request: Request, timeoutMs: number): Promise<Reply>;
  /** Lets the thread release its models, then ends it; what it was doing is lost. */
  close(): Promise<void>;
}

export interface ThreadOptions extends WorkerData {
  /** The module that it runs. */
  readonly url: URL;
  /** JavaScript heap at most, in MiB; a thread that needs more ends. */
  readonly heapMb: number;
}

/** How long a thread that is asked to close may take, in ms, before it is ended; and how long one that has not begun to answer may take to. */
const CLOSE_MS = 2_000;
const BEGIN_MS = 10_000;

/** Starts a thread. `onGone` runs once, when the thread has ended for whatever reason. */
export function startThread(
  { url, heapMb, hurried, nice }: ThreadOptions,
  onGone: (reason: string) => void,
): Thread {
  const worker = new Worker(url, {
    workerData: { hurried, nice } satisfies WorkerData,
    // Flags of this process, such as a test runner's loader, are none of the built worker's business.
    execArgv: [],
    // Without a limit of its own, a worker out of memory takes the process with it.
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  });
  let pending: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | undefined;
  let ended: string | undefined;
  /** Resolves once it answers for the first time, or ends. */
  let begun: (value: true) => void = () => undefined;
  const beginning = new Promise<true>((resolve) => (begun = resolve));

  const end = (reason: string): void => {
    if (ended !== undefined) return;
    ended = reason;
    begun(true);
    pending?.reject(new ThreadGone(reason));
    pending = undefined;
    onGone(reason);
  };
  worker.on('message', (reply: Reply) => {
    begun(true);
    if (reply.type === 'lost') {
      end(reply.reason);
      void worker.terminate();
      return;
    }
    pending?.resolve(reply);
    pending = undefined;
  });
  worker.on('messageerror', (error) => {
    end(`its reply could not be read: ${error.message}`);
    void worker.terminate();
  });
  worker.on('error', (error) => {
    end(error instanceof Error ? error.message : String(error));
  });
  worker.on('exit', (code) => {
    end(`it exited with code ${String(code)}`);
  });

  const send = (request: Request, timeoutMs: number): Promise<Reply> =>
    new Promise<Reply>((resolve, reject) => {
      if (ended !== undefined) {
        reject(new ThreadGone(ended));
        return;
      }
      const watchdog = setTimeout(() => {
        end(`it took longer than ${String(timeoutMs)} ms`);
        void worker.terminate();
      }, timeoutMs);
      pending = {
        resolve: (reply) => {
          clearTimeout(watchdog);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(watchdog);
          reject(error);
        },
      };
      worker.postMessage(request);
    });

  return {
    send,
    close: async () => {
      // Ended while it loads the native runtime, it could take the process with it.
      await Promise.race([beginning, sleep(BEGIN_MS, true, { ref: false })]);
      // A thread that is gone, or too slow to close, is ended all the same.
      if (!pending) await send({ type: 'close' }, CLOSE_MS).catch(() => undefined);
      end('it was closed');
      await worker.terminate();
    },
  };
}
