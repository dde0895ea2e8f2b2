import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createOverload } from '../src/overload.js';

describe('the overload of a gateway', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function rig() {
    const overload = createOverload();
    /** A window of 100 ms with so many refusals and answers; answers for how long it has been overload at its end. */
    const window = (refusals: number, answers: number): number | undefined => {
      for (let each = 0; each < answers; each += 1) overload.answered();
      for (let each = 0; each < refusals; each += 1) overload.refused();
      vi.advanceTimersByTime(100);
      return overload.lasts();
    };
    return { overload, window };
  }

  it('lasts from the first window in which refusals were many and more than the answers, until two seconds after the last', () => {
    const { overload, window } = rig();
    expect(overload.lasts()).toBeUndefined();
    window(50, 10);
    const lasted = Array.from({ length: 30 }, () => window(50, 10));
    expect(lasted).toEqual(lasted.map((_, at) => (at + 1) * 100));
    window(1, 0);
    vi.advanceTimersByTime(1_899);
    expect(overload.lasts()).toBe(4_999);
    vi.advanceTimersByTime(1);
    expect(overload.lasts()).toBeUndefined();
    window(50, 10);
    expect(window(50, 10)).toBe(100);
  });

  it.each([
    ['are few', 9, 0],
    ['are less than the answers', 50, 60],
  ])('is none while refusals %s', (_what, refusals, answers) => {
    const { window } = rig();
    for (let at = 0; at < 20; at += 1) expect(window(refusals, answers)).toBeUndefined();
  });
});
