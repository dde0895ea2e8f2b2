import { describe, expect, it } from 'vitest';
import { createQueueBound } from '../src/embedding/queue-bound.js';

describe('the bound of a queue', () => {
  /** A bound of 100 ms, at which calls are refused every `everyMs` for `forMs`. */
  function rig() {
    let now = 1_000;
    const bound = createQueueBound(100, () => now);
    return {
      bound: () => bound.now(),
      pass: (ms: number) => {
        now += ms;
      },
      refuse: (forMs: number, everyMs: number) => {
        for (const end = now + forMs; now < end; now += everyMs) bound.refused();
      },
    };
  }

  it('is whole for a burst', () => {
    const { bound, refuse } = rig();
    expect(bound()).toBe(100);
    refuse(100, 10);
    expect(bound()).toBe(100);
  });

  it('is half once calls have been refused for as long as it lasts', () => {
    const { bound, refuse } = rig();
    refuse(120, 10);
    expect(bound()).toBe(50);
    refuse(10_000, 90);
    expect(bound()).toBe(50);
  });

  it('is whole again after a pause as long, and takes the next burst whole', () => {
    const { bound, pass, refuse } = rig();
    refuse(500, 10);
    pass(101);
    expect(bound()).toBe(100);
    refuse(100, 10);
    expect(bound()).toBe(100);
  });

  it('stays whole while refusals are rarer than it lasts', () => {
    const { bound, refuse } = rig();
    refuse(10_000, 150);
    expect(bound()).toBe(100);
  });

  it('is none where there is none', () => {
    const bound = createQueueBound(Infinity);
    bound.refused();
    bound.refused();
    expect(bound.now()).toBe(Infinity);
  });
});
