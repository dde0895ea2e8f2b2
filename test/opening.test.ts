import { describe, expect, it } from 'vitest';
import { continued, openingFor, windowSizes } from '../src/search/opening.js';
import type { WindowAnswer } from '../src/search/window.js';

const answer = (ids: string, ms: number, computed = true): WindowAnswer => ({
  window: { hits: Array.from(ids, (id, at) => ({ id, score: 1 / (at + 1) })), embedMs: ms, searchMs: ms * 2 },
  computed,
});

describe('windows of a query', () => {
  it('open with at least a hit more than the page, in few sizes so that searches of equal pages merge', () => {
    expect([1, 11, 12, 23, 24, 100].map((first) => openingFor(first, 12))).toEqual([12, 12, 24, 24, 48, 192]);
  });

  it('grow fourfold, and to the whole one once they are more than half of it', () => {
    expect(windowSizes(12, 200)).toEqual([12, 48, 200]);
    expect(windowSizes(24, 200)).toEqual([24, 96, 200]);
    expect(windowSizes(192, 200)).toEqual([200]);
  });

  it('begin with the hits of the one before, whatever the longer one ranks first', () => {
    const { hits } = continued(answer('abc', 1), answer('bxcya', 1));
    expect(hits.map(({ id }) => id).join('')).toBe('abcxy');
    expect(
      continued(answer('abc', 1), answer('xyza', 1))
        .hits.map(({ id }) => id)
        .join(''),
    ).toBe('abcx');
  });

  it('take the time of the longer of two searches, and none for one that was there already', () => {
    expect(continued(answer('a', 5), answer('ab', 3))).toMatchObject({ embedMs: 5, searchMs: 10 });
    expect(continued(answer('a', 5, false), answer('ab', 3))).toMatchObject({ embedMs: 3, searchMs: 6 });
    expect(continued(answer('a', 5, false), answer('ab', 3, false))).toMatchObject({
      embedMs: 0,
      searchMs: 0,
    });
  });
});
