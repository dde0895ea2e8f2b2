import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventsOf, expectRightAnswer, simulate } from './batcher-simulation.js';

describe('any interleaving of arrivals, departures, deadlines, deaths and overloads', () => {
  const places = fc.integer({ min: 1, max: 3 });

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('gives every caller exactly one answer a text, in order, equal to what the text gets alone', async () => {
    const prefixes = { interactive: ['a', 'b', 'bad', 'shared'], bulk: ['c', 'bad', 'shared'] };
    const maxQueueMs = fc.constantFrom(20, Infinity);
    await fc.assert(
      fc.asyncProperty(eventsOf(prefixes), places, maxQueueMs, async (events, places, maxQueueMs) => {
        const { batcher, callers, killed, happen, finishAll } = simulate(places, { maxQueueMs });
        for (const event of events) await happen(event);
        await finishAll();
        for (const caller of callers) expectRightAnswer(caller, killed);
        expect(batcher.queued()).toBe(0);
        await batcher.close();
      }),
      { numRuns: 150 },
    );
  });

  it('never lets more than one bulk batch start before an interactive text that waits', async () => {
    // Lanes share no text here: one that changed over would make a batch that looks like both.
    const prefixes = { interactive: ['a', 'b', 'd'], bulk: ['c', 'e'] };
    await fc.assert(
      fc.asyncProperty(eventsOf(prefixes), places, async (events, places) => {
        const { batcher, callers, happen, finishAll } = simulate(places, {
          queueTexts: 1_000,
          orderly: true,
        });
        // Long enough for the bulk lane to get its turn in between.
        for (const event of [...events, ...events, ...events]) await happen(event);
        await finishAll();
        for (const caller of callers)
          if (caller.lane === 'interactive') expect(caller.overtaken).toBeLessThanOrEqual(1);
        await batcher.close();
      }),
      { numRuns: 100 },
    );
  });

  it('refuses who waits only under an overload, when it is late, for others who found no room, and before any of its texts is started', async () => {
    const maxQueueMs = 40;
    const prefixes = { interactive: ['a', 'b', 'd', 'shared'], bulk: ['c', 'shared'] };
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(eventsOf(prefixes, true), places, async (events, places) => {
        const { batcher, callers, killed, happen, finishAll } = simulate(places, {
          maxQueueMs,
          orderly: true,
        });
        await happen({ type: 'overload', lasts: true });
        for (const event of events) await happen(event);
        for (const caller of callers) {
          if (!caller.refusedLate) continue;
          refused += 1;
          const { at, overloaded, turnedAway, batches } = caller.refusedLate;
          expect([caller.lane, overloaded]).toEqual(['interactive', true]);
          expect(turnedAway).toBeGreaterThan(0);
          // A bulk call may still want one of its texts, in the batch that its room went to.
          expect(caller.firstBatch ?? batches).toBeGreaterThanOrEqual(batches);
          const waitedFor = callers.filter(
            ({ lane, texts }) => lane === 'interactive' && texts.some((text) => caller.texts.includes(text)),
          );
          expect(at - Math.min(...waitedFor.map(({ since }) => since))).toBeGreaterThan(maxQueueMs / 2);
        }
        await finishAll();
        for (const caller of callers) expectRightAnswer(caller, killed);
        expect(batcher.queued()).toBe(0);
        await batcher.close();
      }),
      { numRuns: 150 },
    );
    // Else nothing of the above was seen.
    expect(refused).toBeGreaterThan(0);
  });
});
