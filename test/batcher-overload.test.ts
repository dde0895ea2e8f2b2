import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Batcher } from '../src/embedding/batcher.js';
import { KindredError } from '../src/errors.js';
import {
  alone,
  build,
  bulk,
  finishAll,
  heldRunner,
  interactive,
  limits,
  names,
  settle,
} from './held-runner.js';

describe('the batcher, asked for more than it can do in time', () => {
  let held: ReturnType<typeof heldRunner>;
  let batcher: Batcher;

  beforeEach(() => {
    held = heldRunner(1);
    batcher = build(held.runner);
  });

  it('refuses what would wait too long by the speed that the model has, one text as well as many, until the queue has emptied', async () => {
    // By the first estimate a token has four characters: 100 tokens take 50 ms.
    batcher = build(held.runner, { tokensPerMs: 2, limits: { ...limits, maxQueueMs: 99 } });
    const long = (name: string): string => name.padEnd(400, 'x');
    const taken = [batcher.embed(['first'], interactive)];
    await settle();
    // What is computed already, and what a call brings itself, doesn't count.
    taken.push(batcher.embed(['a', 'b'].map(long), interactive));
    for (const texts of [['c'], ['c', 'd', 'e']])
      await expect(batcher.embed(texts, interactive)).rejects.toMatchObject({
        code: 'OVERLOADED',
        retryAfterMs: 100,
      });
    // Nobody waits longer for a text that is on its way.
    taken.push(batcher.embed([long('a'), 'first'], interactive));
    const imported = batcher.embed(['imported'], bulk);
    await finishAll(held.batches);
    await Promise.all(taken);
    expect(await imported).toEqual([alone('imported')]);
    taken.push(batcher.embed(['c'], interactive));
    await finishAll(held.batches);
    expect((await taken.at(-1))?.[0]).toEqual(alone('c'));
  });

  it('lets half as much wait once the gateway has refused more than it answers for longer than the bound', async () => {
    let lasts: number | undefined;
    const overload = { lasts: () => lasts };
    batcher = build(held.runner, { tokensPerMs: 2, overload, limits: { ...limits, maxQueueMs: 60 } });
    const first = batcher.embed(['first'], interactive);
    await settle();
    /** How many calls of 50 ms each find room behind the batch that runs; they go away again. */
    const room = async (): Promise<number> => {
      const away = new AbortController();
      const calls: Promise<unknown>[] = [];
      for (let full = false; !full;) {
        const text = String(calls.length).padEnd(400, 'x');
        const outcome = batcher
          .embed([text], { ...interactive, signal: away.signal })
          .catch((error: unknown) => (error as KindredError).code);
        full = (await Promise.race([outcome, settle()])) === 'OVERLOADED';
        calls.push(outcome);
      }
      away.abort(new KindredError('REQUEST_CANCELLED', 'enough'));
      await Promise.all(calls);
      return calls.length - 1;
    };
    expect(await room()).toBe(2);
    lasts = 60;
    expect(await room()).toBe(2);
    lasts = 61;
    expect(await room()).toBe(1);
    lasts = undefined;
    expect(await room()).toBe(2);
    await finishAll(held.batches);
    await first;
  });

  describe('when a worker comes late for what waits', () => {
    let lasts: number | undefined;
    beforeEach(() => {
      lasts = undefined;
      batcher = build(held.runner, {
        overload: { lasts: () => lasts },
        limits: { ...limits, maxQueueMs: 200 },
      });
    });
    const overloaded = { code: 'OVERLOADED', retryAfterMs: expect.any(Number) as number };
    /** Lets more time pass than a text may wait, while the workers are busy. */
    const late = async (): Promise<void> => {
      await sleep(230);
    };
    /** Asks for so many more texts, for which there is no room. */
    const turnAway = async (count: number): Promise<void> => {
      await expect(batcher.embed(names('more', count), interactive)).rejects.toMatchObject(overloaded);
    };

    it('refuses it once the gateway refuses more than it answers, whole calls, and takes what has just come', async () => {
      const first = batcher.embed(['first'], interactive);
      await settle();
      const stale = [['a'], ['b', 'c', 'd', 'e', 'f']].map((texts) => batcher.embed(texts, interactive));
      await late();
      // What is on its way already brings nothing new: it is let in, and goes with the rest.
      stale.push(batcher.embed(['a'], interactive));
      const refused = Promise.all(stale.map((call) => expect(call).rejects.toMatchObject(overloaded)));
      const imported = batcher.embed(['imported'], bulk);
      lasts = 0;
      await turnAway(10);
      await finishAll(held.batches);
      await refused;
      expect(await first).toEqual([alone('first')]);
      expect(await imported).toEqual([alone('imported')]);
      expect(held.batches.map(({ texts }) => texts)).toEqual([['first'], ['imported']]);
      const fresh = batcher.embed(['a'], interactive);
      await finishAll(held.batches);
      expect(await fresh).toEqual([alone('a')]);
    });

    it('refuses the oldest, no more than have been turned away since the last batch: others come in their places', async () => {
      const calls = [batcher.embed(['first'], interactive)];
      await settle();
      const stale = ['a', 'b'].map((text) => batcher.embed([text], interactive));
      const refused = Promise.all(stale.map((call) => expect(call).rejects.toMatchObject(overloaded)));
      calls.push(...['c', 'd'].map((text) => batcher.embed([text], interactive)));
      await late();
      lasts = 0;
      await turnAway(2);
      await finishAll(held.batches);
      await refused;
      expect(await Promise.all(calls)).toEqual([[alone('first')], [alone('c')], [alone('d')]]);
    });

    it('computes it when there is no overload', async () => {
      const calls = [batcher.embed(['first'], interactive)];
      await settle();
      calls.push(batcher.embed(['a'], interactive));
      await late();
      await turnAway(10);
      await finishAll(held.batches);
      expect(await Promise.all(calls)).toEqual([[alone('first')], [alone('a')]]);
    });

    it('goes on with a call of which some texts have been computed', async () => {
      const long = batcher.embed(names('l', 10), interactive);
      await settle();
      await late();
      lasts = 0;
      await turnAway(10);
      await finishAll(held.batches);
      expect(await long).toEqual(names('l', 10).map(alone));
    });

    it('never refuses an import, whose text an interactive call wants as well', async () => {
      const first = batcher.embed(['first'], interactive);
      await settle();
      const imported = batcher.embed(['both'], bulk);
      const asked = batcher.embed(['both'], interactive);
      const refused = expect(asked).rejects.toMatchObject(overloaded);
      await late();
      lasts = 0;
      await turnAway(10);
      await finishAll(held.batches);
      await refused;
      expect(await imported).toEqual([alone('both')]);
      await first;
    });

    it('counts only the time that a text waits as a request', async () => {
      const first = batcher.embed(['first'], interactive);
      await settle();
      const imported = batcher.embed(['both'], bulk);
      await late();
      lasts = 0;
      const asked = batcher.embed(['both', 'another'], interactive);
      await turnAway(9);
      await finishAll(held.batches);
      expect(await asked).toEqual([alone('both'), alone('another')]);
      await Promise.all([first, imported]);
    });
  });

  it('does not take the speed of single texts, while nothing else waits, for that of full batches', async () => {
    batcher = build(held.runner, { tokensPerMs: 2, limits: { ...limits, maxQueueMs: 120 } });
    // A token each, far slower than two a millisecond.
    for (const text of names('s', 10)) {
      const single = batcher.embed([text], interactive);
      await sleep(5);
      await finishAll(held.batches);
      await single;
    }
    const burst = [batcher.embed(['first'], interactive)];
    await settle();
    burst.push(
      batcher.embed(
        ['a', 'b'].map((name) => name.padEnd(400, 'x')),
        interactive,
      ),
    );
    burst.push(batcher.embed(['c'], interactive));
    await finishAll(held.batches);
    expect((await Promise.all(burst)).at(-1)).toEqual([alone('c')]);
  });
});
