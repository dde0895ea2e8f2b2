import { describe, expect, it } from 'vitest';
import { runPipeline } from '../src/catalogue/pipeline.js';

/** Yields 0, 1, 2 ... and fails at the end when told so. */
async function* numbers(count: number, failure?: Error): AsyncGenerator<number> {
  for (let number = 0; number < count; number++) yield await Promise.resolve(number);
  if (failure !== undefined) throw failure;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the pipeline of an import', () => {
  it('works on several batches at once, never more than its depth, and commits them in order', async () => {
    let open = 0;
    let most = 0;
    const committed: number[] = [];
    await runPipeline({
      batches: numbers(9),
      start: async (batch) => {
        most = Math.max(most, ++open);
        // Later batches are done before earlier ones.
        for (let turns = 0; turns < 9 - batch; turns++) await turn();
        return batch;
      },
      commit: async (batch) => {
        await turn();
        open -= 1;
        committed.push(batch);
      },
      depth: 3,
      signal: new AbortController().signal,
    });
    expect(committed).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(most).toBe(3);
  });

  it('commits what was read before its source failed, then throws that error', async () => {
    const committed: number[] = [];
    const run = runPipeline({
      batches: numbers(2, new Error('cut off')),
      start: (batch) => Promise.resolve(batch),
      commit: (batch) => Promise.resolve(void committed.push(batch)),
      depth: 5,
      signal: new AbortController().signal,
    });
    await expect(run).rejects.toThrow('cut off');
    expect(committed).toEqual([0, 1]);
  });

  it('drops the batches behind one that failed', async () => {
    const dropped: number[] = [];
    const run = runPipeline({
      batches: numbers(9),
      start: (batch, signal) => {
        signal.addEventListener('abort', () => dropped.push(batch));
        return batch === 1 ? Promise.reject(new Error('no room')) : Promise.resolve(batch);
      },
      commit: () => Promise.resolve(),
      depth: 3,
      signal: new AbortController().signal,
    });
    await expect(run).rejects.toThrow('no room');
    expect(dropped).toEqual([2, 3]);
  });

  it('X12: when aborted finishes the oldest batch, drops the younger ones, and reads no more', async () => {
    const stop = new AbortController();
    const dropped: number[] = [];
    const started: number[] = [];
    const committed: number[] = [];
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = runPipeline({
      batches: numbers(9),
      start: async (batch, signal) => {
        started.push(batch);
        signal.addEventListener('abort', () => dropped.push(batch));
        await held;
        signal.throwIfAborted();
        return batch;
      },
      commit: (batch) => Promise.resolve(void committed.push(batch)),
      depth: 3,
      signal: stop.signal,
    });
    while (started.length < 3) await turn();
    stop.abort();
    release?.();
    await running;
    expect({ started, committed, dropped }).toEqual({ started: [0, 1, 2], committed: [0], dropped: [1, 2] });
  });
});
