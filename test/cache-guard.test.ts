import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGuard, isBypass } from '../src/cache/guard.js';
import { createWriteBehind } from '../src/cache/write-behind.js';

describe('the guard of a cache server', () => {
  const told: string[] = [];
  const never = (): Promise<never> => new Promise(() => undefined);
  const down = (): Promise<never> => Promise.reject(new Error('down'));
  const options = {
    timeoutMs: 50,
    retryMs: 5_000,
    onOpen: (reason: string) => told.push(`bypassed: ${reason}`),
    onClose: () => told.push('back'),
  };
  beforeEach(() => {
    vi.useFakeTimers();
    told.length = 0;
  });
  afterEach(() => vi.useRealTimers());

  it('X3: a call that gets no answer costs its time limit, and its signal says so', async () => {
    const guard = createGuard(options);
    let given: AbortSignal | undefined;
    let settled = false;
    const call = guard
      .run((signal) => {
        given = signal;
        return never();
      })
      .catch((error: unknown) => {
        settled = true;
        return error;
      });
    await vi.advanceTimersByTimeAsync(49);
    expect(settled).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(settled).toBe(true);
    expect(await call).toBeInstanceOf(Error);
    expect(given?.aborted).toBe(true);
  });

  it('X3: after five failures calls are made no more, until one tries again after a while; only that one waits', async () => {
    const guard = createGuard(options);
    for (let at = 0; at < 5; at++) await expect(guard.run(down)).rejects.toThrow('down');
    expect(guard.bypassed()).toBe(true);
    const work = vi.fn(never);
    expect(isBypass(await guard.run(work).catch((error: unknown) => error))).toBe(true);
    expect(work).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(5_000);
    const trial = guard.run(work).catch((error: unknown) => error);
    for (let at = 0; at < 10; at++)
      expect(isBypass(await guard.run(work).catch((error: unknown) => error))).toBe(true);
    expect(work).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(50);
    expect(isBypass(await trial)).toBe(false);
    expect(guard.bypassed()).toBe(true);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await guard.run(() => Promise.resolve('well'))).toBe('well');
    expect(guard.bypassed()).toBe(false);
    // The trial that failed is no news.
    expect(told).toEqual(['bypassed: down', 'back']);
  });

  it('opens when half of the calls fail, not only when all do', async () => {
    const guard = createGuard(options);
    for (let at = 0; at < 20 && !guard.bypassed(); at++)
      await guard.run(at % 3 === 0 ? () => Promise.resolve() : down).catch(() => undefined);
    expect(guard.bypassed()).toBe(true);
  });

  it('forgives a failure now and then', async () => {
    const guard = createGuard(options);
    for (let at = 0; at < 100; at++)
      await guard.run(at % 3 === 0 ? down : () => Promise.resolve()).catch(() => undefined);
    expect(guard.bypassed()).toBe(false);
  });
});

describe('writes behind the response', () => {
  const entries = (count: number, from = 0): { key: string; value: string }[] =>
    Array.from({ length: count }, (_, at) => ({ key: `k${from + at}`, value: 'x'.repeat(10) }));

  it('go out in batches, one after the other, each key once while it waits', async () => {
    const batches: number[] = [];
    let running = 0;
    const counts: Record<string, number> = {};
    const behind = createWriteBehind({
      write: async (batch) => {
        expect(++running).toBe(1);
        await Promise.resolve();
        running -= 1;
        batches.push(batch.length);
      },
      maxWaitingBytes: 10_000,
      count: (outcome, number) => (counts[outcome] = (counts[outcome] ?? 0) + number),
    });
    behind.add(entries(1));
    behind.add([...entries(150, 1), ...entries(150, 1)]);
    await behind.flush();
    expect(batches).toEqual([1, 64, 64, 22]);
    expect(counts).toEqual({ written: 151 });
  });

  it('are dropped beyond their bound, and those that failed make room again', async () => {
    const counts: Record<string, number> = {};
    let fail = (): void => undefined;
    const behind = createWriteBehind({
      write: () => new Promise((_, reject) => (fail = () => reject(new Error('down')))),
      maxWaitingBytes: 100,
      count: (outcome, number) => (counts[outcome] = (counts[outcome] ?? 0) + number),
    });
    behind.add(entries(10));
    behind.add(entries(11, 10));
    expect(counts).toEqual({ dropped: 1 });
    fail();
    await vi.waitFor(() => expect(counts.error).toBe(10));
    fail();
    await behind.flush();
    expect(counts).toEqual({ dropped: 1, error: 20 });
  });
});
