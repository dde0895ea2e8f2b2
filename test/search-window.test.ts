import { describe, expect, it } from 'vitest';
import { KindredError } from '../src/errors.js';
import { type Window, createWindows } from '../src/search/window.js';

const window: Window = { hits: [{ id: 'a', score: 1 }], embedMs: 1, searchMs: 1 };
const calm = new AbortController().signal;

describe('windows', () => {
  it('are computed once for calls at the same time, and kept for those that follow', async () => {
    const windows = createWindows({ maxEntries: 10, ttlMs: 60_000 });
    let computed = 0;
    const compute = async (): Promise<Window> => {
      computed++;
      await Promise.resolve();
      return window;
    };
    const answers = await Promise.all(Array.from({ length: 20 }, () => windows.get('key', compute, calm)));
    const later = await windows.get('key', compute, calm);
    expect(computed).toBe(1);
    expect(answers.filter((answer) => answer.computed)).toHaveLength(1);
    expect(later).toEqual({ window, computed: false });
  });

  it('are not kept with a time to live of 0', async () => {
    const windows = createWindows({ maxEntries: 10, ttlMs: 0 });
    let computed = 0;
    const compute = (): Promise<Window> => {
      computed++;
      return Promise.resolve(window);
    };
    await windows.get('key', compute, calm);
    await windows.get('key', compute, calm);
    expect(computed).toBe(2);
  });

  it('are not kept when they fail, and the failure reaches all who wait', async () => {
    const windows = createWindows({ maxEntries: 10, ttlMs: 60_000 });
    const failing = (): Promise<Window> =>
      Promise.reject(new KindredError('UPSTREAM_UNAVAILABLE', 'no store'));
    const both = await Promise.allSettled([
      windows.get('key', failing, calm),
      windows.get('key', failing, calm),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(windows.get('key', () => Promise.resolve(window), calm)).resolves.toMatchObject({
      computed: true,
    });
  });

  it.each(['REQUEST_CANCELLED', 'DEADLINE_EXCEEDED'] as const)(
    'are computed anew by who waits when the first caller ends in %s',
    async (code) => {
      const windows = createWindows({ maxEntries: 10, ttlMs: 60_000 });
      const first = windows.get('key', () => Promise.reject(new KindredError(code, 'gone')), calm);
      const second = windows.get('key', () => Promise.resolve(window), calm);
      await expect(first).rejects.toMatchObject({ code });
      await expect(second).resolves.toEqual({ window, computed: true });
    },
  );

  it('are not waited for by a caller whose request is over', async () => {
    const windows = createWindows({ maxEntries: 10, ttlMs: 60_000 });
    let finish: (window: Window) => void = () => undefined;
    const slow = new Promise<Window>((resolve) => {
      finish = resolve;
    });
    const first = windows.get('key', () => slow, calm);
    const client = new AbortController();
    const second = windows.get('key', () => slow, client.signal);
    client.abort(new KindredError('DEADLINE_EXCEEDED', 'too late'));
    await expect(second).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    finish(window);
    await expect(first).resolves.toMatchObject({ computed: true });
  });
});
