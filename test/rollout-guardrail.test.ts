import fc from 'fast-check';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import { KindredError, badInput } from '../src/errors.js';
import type { ServedModel } from '../src/models/model-version.js';
import { breach, createGuardrail } from '../src/rollout/guardrail.js';
import { createShadow } from '../src/rollout/shadow.js';
import { type RequestOutcome, createSlidingWindow } from '../src/rollout/sliding-window.js';
import { modelsOf } from '../src/rollout/traffic.js';
import { watched } from '../src/rollout/watched.js';
import type { ResultPage } from '../src/search/paging.js';
import type { Retrieval } from '../src/search/retrieval.js';
import type { SearchRequest } from '../src/search/search.js';
import { noTelemetry } from '../src/telemetry.js';
import { type RolloutHarness, actor, createRolloutHarness } from './rollout-harness.js';

const { rollout: settings } = loadConfig({ env: {}, flags: {} });
const log = pino({ level: 'silent' });
const fine: RequestOutcome = { ms: 10, failed: false, empty: false };
const good = { requests: 100, errorRate: 0, emptyRate: 0, p95Ms: 20 };

/** A rollout in which `v2` has a share of the traffic. */
async function onTrial(share = 0.5): Promise<RolloutHarness> {
  const harness = await createRolloutHarness();
  await harness.jobs.backfill('v2', { actor, signal: harness.signal });
  await harness.rollout.shadow('v2', actor);
  if (share > 0) await harness.rollout.setTraffic('v2', share, { ...actor, force: true });
  return harness;
}

describe('a sliding window', () => {
  it('counts what came within it, and forgets what is older', () => {
    let now = 0;
    const window = createSlidingWindow(1_000, () => now);
    for (let count = 0; count < 8; count += 1) window.add(fine);
    window.add({ ms: null, failed: true, empty: false });
    window.add({ ms: 5, failed: false, empty: true });
    expect(window.stats()).toMatchObject({ requests: 10, errorRate: 0.1, emptyRate: 1 / 9 });
    now = 900;
    window.add(fine);
    expect(window.stats().requests).toBe(11);
    now = 1_100;
    expect(window.stats().requests).toBe(1);
    now = 10_000;
    expect(window.stats()).toEqual({ requests: 0, errorRate: 0, emptyRate: 0, p95Ms: 0 });
  });

  it('knows the 95th percentile to 10% (property)', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.1, max: 60_000, noNaN: true }), { minLength: 1 }), (times) => {
        const window = createSlidingWindow(1_000, () => 0);
        for (const ms of times) window.add({ ms, failed: false, empty: false });
        const exact = times.sort((a, b) => a - b)[Math.ceil(0.95 * times.length) - 1] ?? 0;
        expect(window.stats().p95Ms).toBeGreaterThanOrEqual(exact * 0.999);
        expect(window.stats().p95Ms).toBeLessThanOrEqual(exact * 1.101);
      }),
    );
  });

  it('takes no times where they say nothing', () => {
    const window = createSlidingWindow(1_000, () => 0);
    window.add({ ms: null, failed: false, empty: false });
    expect(window.stats()).toMatchObject({ requests: 1, p95Ms: 0 });
  });
});

describe('a version on trial does worse', () => {
  it.each([
    ['when more of its requests fail', { errorRate: 0.06 }, /6\.0% of its requests fail/],
    ['when it is slower', { p95Ms: 71 }, /its 95th percentile is 71 ms, after 20 ms/],
    ['when more of its searches find nothing', { emptyRate: 0.11 }, /11\.0% of its searches find nothing/],
  ])('%s', (_when, more, words) => {
    expect(breach({ ...good, ...more }, good, [], settings.guardrail)).toMatch(words);
    expect(breach({ ...good, ...more, requests: 29 }, good, [], settings.guardrail)).toBeUndefined();
    // The stable version does no better.
    expect(breach({ ...good, ...more }, { ...good, ...more }, [], settings.guardrail)).toBeUndefined();
  });

  it('when its answers have nothing to do with those of the stable one', () => {
    const overlaps = Array.from({ length: 20 }, () => 0.02);
    expect(breach({ ...good, requests: 0 }, good, overlaps, settings.guardrail)).toMatch(
      /2\.0% of their first hits/,
    );
    expect(breach(good, good, overlaps.slice(1), settings.guardrail)).toBeUndefined();
    expect(
      breach(
        good,
        good,
        overlaps.map(() => 0.5),
        settings.guardrail,
      ),
    ).toBeUndefined();
  });

  it('not by what both have, nor while there is nothing to compare its times with', () => {
    expect(breach(good, good, [], settings.guardrail)).toBeUndefined();
    expect(breach({ ...good, p95Ms: 500 }, { ...good, requests: 3 }, [], settings.guardrail)).toBeUndefined();
  });
});

describe('a guardrail', () => {
  const guard = (rollout: RolloutHarness['rollout'], more = {}): ReturnType<typeof createGuardrail> =>
    createGuardrail({ rollout, settings: { ...settings.guardrail, ...more }, telemetry: noTelemetry(), log });
  const failing = (guardrail: ReturnType<typeof createGuardrail>): void => {
    for (let count = 0; count < 40; count += 1) {
      guardrail.note('v1', fine);
      guardrail.note('v2', { ms: null, failed: count % 2 === 0, empty: false });
    }
  };

  it('takes the traffic of a version that does worse, and says why in the history', async () => {
    const { rollout, state } = await onTrial();
    const guardrail = guard(rollout);
    failing(guardrail);
    await guardrail.judge();
    // The first look begins the trial; what came before it belongs to another.
    failing(guardrail);
    await guardrail.judge();
    expect(state('v2')).toMatchObject({ state: 'shadow', share: 0 });
    expect(rollout.replica.state.history.at(-1)).toMatchObject({
      who: 'guardrail',
      action: 'rollback',
      version: 'v2',
      why: expect.stringMatching(/50\.0% of its requests fail/) as string,
    });
    guardrail.close();
  });

  it('lets one be that does as well, or that has no traffic, or when it is off', async () => {
    const { rollout, state } = await onTrial();
    const guardrail = guard(rollout);
    await guardrail.judge();
    for (let count = 0; count < 100; count += 1) for (const id of ['v1', 'v2']) guardrail.note(id, fine);
    await guardrail.judge();
    expect(state('v2').state).toBe('canary');
    const off = guard(rollout, { enabled: false });
    await off.judge();
    failing(off);
    await off.judge();
    expect(state('v2').state).toBe('canary');
    guardrail.close();
    off.close();
  });

  it('takes it here at once while others can not be told, and tells them later', async () => {
    const { rollout, state } = await onTrial();
    let away = true;
    const cut = {
      ...rollout,
      rollback: (who: Parameters<typeof rollout.rollback>[0]) =>
        away ? Promise.reject(new KindredError('UPSTREAM_UNAVAILABLE', 'away')) : rollout.rollback(who),
    };
    const guardrail = guard(cut);
    await guardrail.judge();
    failing(guardrail);
    await guardrail.judge();
    expect(guardrail.tripped('v2')).toBe(true);
    expect(state('v2').state).toBe('canary');
    away = false;
    await guardrail.judge();
    expect(state('v2').state).toBe('shadow');
    // A new try begins with new figures.
    await rollout.setTraffic('v2', 0.1, { ...actor, force: true });
    await guardrail.judge();
    expect(guardrail.tripped('v2')).toBe(false);
    expect(state('v2').state).toBe('canary');
    guardrail.close();
  });
});

/** A page of one version, as search answers it. */
function pageOf(
  version: string,
  ids: readonly string[],
  state = version === 'v1' ? 'stable' : 'canary',
): ResultPage {
  return {
    model: { version: { id: version, state } } as unknown as ServedModel,
    hits: ids.map((id, at) => ({ id, score: 1 - at / 10 })),
    hasNextPage: false,
    hasPreviousPage: false,
    fresh: true,
    took: { embed: 1, search: 1, total: 2 },
    cursor: () => '',
  };
}
const request: SearchRequest = { query: 'a thing', mode: 'SEMANTIC', first: 10 };
const served = (id: string): ServedModel => ({ version: { id } }) as unknown as ServedModel;
const registry = {
  versions: () => [],
  served: () => [],
  resolve: (reference?: string | null) => served(reference === 'stable' ? 'v1' : (reference ?? 'v1')),
};
const drawing = (version: string, named = false): Retrieval =>
  ({
    models: modelsOf(registry, () => ({ version, named })),
    signal: new AbortController().signal,
  }) as unknown as Retrieval;

describe('a request that was drawn for the version on trial', () => {
  const answering = (
    answer: (version: string) => ResultPage,
  ): { page: ReturnType<typeof watched>['page']; noted: [string, RequestOutcome][] } => {
    const noted: [string, RequestOutcome][] = [];
    const inner = watched(
      {
        page: ({ modelVersion }, { models }) =>
          Promise.resolve().then(() => answer(models.resolve(modelVersion).version.id)),
      },
      { note: (version, outcome) => noted.push([version, outcome]) },
    );
    return { page: (...args) => inner.page(...args), noted };
  };
  const faulty =
    (error: Error) =>
    (version: string): ResultPage => {
      if (version === 'v2') throw error;
      return pageOf(version, ['a']);
    };

  it('is answered by the stable one when it fails by a fault of ours, which counts against it', async () => {
    for (const error of [new KindredError('UPSTREAM_UNAVAILABLE', 'away'), new Error('a bug')]) {
      const { page, noted } = answering(faulty(error));
      expect((await page(request, drawing('v2'))).model.version.id).toBe('v1');
      expect(noted.map(([version, { failed }]) => [version, failed])).toEqual([
        ['v2', true],
        ['v1', false],
      ]);
    }
  });

  it('fails by its own fault, and nothing counts', async () => {
    const { page, noted } = answering(faulty(badInput('no such field')));
    await expect(page(request, drawing('v2'))).rejects.toThrow('no such field');
    expect(noted).toEqual([]);
  });

  it('fails when the version was named, by the request or its header', async () => {
    const { page } = answering(faulty(new KindredError('UPSTREAM_UNAVAILABLE', 'away')));
    await expect(page({ ...request, modelVersion: 'v2' }, drawing('v1'))).rejects.toThrow('away');
    await expect(page(request, drawing('v2', true))).rejects.toThrow('away');
  });

  it('fails when the stable one fails as well', async () => {
    const { page } = answering(() => {
      throw new KindredError('UPSTREAM_UNAVAILABLE', 'all is away');
    });
    await expect(page(request, drawing('v2'))).rejects.toThrow('all is away');
    await expect(page(request, drawing('v1'))).rejects.toThrow('all is away');
  });

  it('counts as empty without hits, and has no time when it was cached', async () => {
    const { page, noted } = answering((version) => ({ ...pageOf(version, []), fresh: false }));
    await page(request, drawing('v2'));
    expect(noted).toEqual([['v2', { ms: null, failed: false, empty: true }]]);
  });
});

describe('a shadow', () => {
  const shadowOf = (
    { rollout }: RolloutHarness,
    run: (request: SearchRequest, version: string) => Promise<ResultPage>,
    more: Partial<Parameters<typeof createShadow>[0]> = {},
  ): { shadow: ReturnType<typeof createShadow>; compared: [string, number][] } => {
    const compared: [string, number][] = [];
    const shadow = createShadow({
      replica: rollout.replica,
      settings: { share: 1, maxInFlight: 2 },
      run,
      telemetry: noTelemetry(),
      busy: () => false,
      onCompared: (version, overlap) => compared.push([version, overlap]),
      ...more,
    });
    return { shadow, compared };
  };

  it('runs a search on the version on trial behind the answer, and compares', async () => {
    const harness = await onTrial(0);
    const asked: string[] = [];
    const { shadow, compared } = shadowOf(harness, (_request, version) => {
      asked.push(version);
      return Promise.resolve(pageOf(version, ['a', 'c']));
    });
    shadow.offer(request, pageOf('v1', ['a', 'b']));
    expect(asked).toEqual([]);
    await expect.poll(() => compared).toEqual([['v2', 0.5]]);
    // What the version on trial answered itself is compared with the stable one.
    shadow.offer(request, pageOf('v2', ['c', 'a']));
    await expect.poll(() => compared.length).toBe(2);
    expect(asked).toEqual(['v2', 'v1']);
    expect(shadow.figures()).toEqual({ version: 'v2', compared: 2, overlap: 0.75 });
  });

  it('is dropped while requests wait, beyond its number, and for later pages and other versions', async () => {
    const harness = await onTrial(0);
    let asked = 0;
    const never = (): Promise<ResultPage> => {
      asked += 1;
      return new Promise(() => undefined);
    };
    const busy = shadowOf(harness, never, { busy: () => true });
    busy.shadow.offer(request, pageOf('v1', ['a']));
    const { shadow } = shadowOf(harness, never);
    shadow.offer({ ...request, after: 'a cursor' }, pageOf('v1', ['a']));
    shadow.offer(request, pageOf('v7', ['a'], 'added'));
    for (let count = 0; count < 5; count += 1) shadow.offer(request, pageOf('v1', ['a']));
    await expect.poll(() => asked).toBe(2);
  });

  it('takes a share, nothing without a version on trial, and no harm when it fails', async () => {
    let asked = 0;
    const run = (): Promise<ResultPage> => {
      asked += 1;
      return Promise.reject(new Error('broken'));
    };
    const none = shadowOf(await createRolloutHarness(), run);
    none.shadow.offer(request, pageOf('v1', ['a']));
    const draws = [0.09, 0.11];
    const { shadow, compared } = shadowOf(await onTrial(0), run, {
      settings: { share: 0.1, maxInFlight: 9 },
      random: () => draws.shift() ?? 1,
    });
    for (let count = 0; count < 5; count += 1) shadow.offer(request, pageOf('v1', ['a']));
    await expect.poll(() => asked).toBe(1);
    expect(compared).toEqual([]);
    expect(shadow.figures()).toBeUndefined();
  });
});
