import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KindredError } from '../src/errors.js';
import { loadConfig } from '../src/config.js';
import { createAdminCheck } from '../src/http/admin.js';
import { deprecationHeaders, deprecations } from '../src/http/deprecation.js';
import { readSubject } from '../src/http/subject.js';
import type { ModelVersion, ServedModel } from '../src/models/model-version.js';
import { type RolloutState, firstState, move, promote } from '../src/rollout/state.js';
import { type TrafficSubject, chooseVersion, modelsOf, placeOf } from '../src/rollout/traffic.js';

const change = {
  version: 'v2',
  action: 'test',
  who: 'a test',
  why: '',
  at: new Date('2026-01-01T00:00:00Z'),
};
const shadow = firstState({ versions: ['v1', 'v2'], stable: 'v1', candidate: 'v2' });
const canary = (share: number): RolloutState => move(shadow, change, 'canary', { share });
const nobody = { testers: new Set<string>() };
const ids = Array.from({ length: 100_000 }, (_, index) => `user-${String(index)}`);
const chosen = (state: RolloutState, subject: TrafficSubject): string =>
  chooseVersion(state, subject, nobody);

describe('the version of a request that names none', () => {
  it.each([0.01, 0.1, 0.5, 0.9])(
    'is the candidate for a share of %d of 100,000 ids, within 0.5 points',
    (share) => {
      const state = canary(share);
      const got = ids.filter((id) => chosen(state, { id }) === 'v2').length / ids.length;
      expect(Math.abs(got - share)).toBeLessThan(0.005);
    },
  );

  it('stays what it was for an id while the share grows, but for those that come anew (property)', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (id, a, b) => {
          const [low, high] = a < b ? [a, b] : [b, a];
          if (low > 0 && chosen(canary(low), { id }) === 'v2')
            expect(chosen(canary(high), { id })).toBe('v2');
          expect(chosen(canary(low), { id })).toBe(chosen(canary(low), { id }));
        },
      ),
    );
  });

  it('is another draw for each version on trial', () => {
    const both = ids.filter((id) => placeOf(id, 'v2') < 0.1 && placeOf(id, 'v3') < 0.1).length / ids.length;
    expect(both).toBeGreaterThan(0.007);
    expect(both).toBeLessThan(0.013);
  });

  it('is spread at random where there is no id', () => {
    const at = (place: number): string => chooseVersion(canary(0.25), {}, nobody, () => place);
    expect([at(0), at(0.2499), at(0.25), at(0.99)]).toEqual(['v2', 'v2', 'v1', 'v1']);
  });

  it('is the stable one while the candidate is in shadow, or nothing is on trial', () => {
    const done = promote(canary(1), change, null);
    for (const id of ids.slice(0, 100)) {
      expect(chosen(shadow, { id })).toBe('v1');
      expect(chosen(done, { id })).toBe('v2');
      expect(chosen(canary(1), { id })).toBe('v2');
    }
  });

  it('is the candidate for testers, from the shadow on', () => {
    const policy = { testers: new Set(['ann']) };
    expect(chooseVersion(shadow, { id: 'ann' }, policy)).toBe('v2');
    expect(chooseVersion(shadow, { id: 'bob' }, policy)).toBe('v1');
  });

  it('is the one that the header names, whatever the traffic', () => {
    expect(chosen(canary(1), { id: 'ann', override: 'v1' })).toBe('v1');
  });
});

describe('the versions of one request', () => {
  const version = (id: string): ServedModel => ({ version: { id } as ModelVersion }) as ServedModel;
  const registry = {
    versions: () => [],
    served: () => [],
    resolve: (reference?: string | null): ServedModel => {
      if (reference === 'v2') throw new KindredError('MODEL_VERSION_UNAVAILABLE', 'away');
      return version(reference === 'stable' ? 'v1' : (reference ?? ''));
    },
  };

  it('are chosen once', () => {
    let draws = 0;
    const models = modelsOf(registry, () => {
      draws += 1;
      return { version: 'v1', named: false };
    });
    expect(models.resolve(null)).toBe(models.resolve(undefined));
    expect(models.resolve('v3').version.id).toBe('v3');
    expect(draws).toBe(1);
    expect(models.used().map(({ id }) => id)).toEqual(['v1', 'v3']);
  });

  it('fall back to the stable one when the candidate that was drawn can not answer, but not when it was named', () => {
    expect(modelsOf(registry, () => ({ version: 'v2', named: false })).resolve(null).version.id).toBe('v1');
    const named = modelsOf(registry, () => ({ version: 'v2', named: true }));
    expect(() => named.resolve(null)).toThrow(/away/);
  });
});

describe('what headers say', () => {
  const { rollout } = loadConfig({ env: {}, flags: {} });

  it('is the version that they name, and the first id that is there', () => {
    expect(readSubject({}, rollout)).toEqual({});
    const headers = {
      'x-kindred-model-version': 'v1',
      'x-kindred-session-id': 's',
      'x-kindred-user-id': 'u',
    };
    expect(readSubject(headers, rollout)).toEqual({ override: 'v1', id: 'u' });
    expect(readSubject({ 'x-kindred-session-id': 's'.repeat(10_000) }, rollout)).toEqual({
      id: 's'.repeat(256),
    });
    expect(readSubject({ 'x-kindred-model-version': 'v1' }, { ...rollout, overrideHeader: null })).toEqual(
      {},
    );
  });

  it.each([
    ['no header', undefined, 'none'],
    ['the token', 'Bearer a token of sixteen', 'refused'],
    ['the token', 'Bearer a-token-of-sixteen', 'granted'],
    ['the token with other case in its scheme', 'bearer  a-token-of-sixteen ', 'granted'],
    ['a prefix of the token', 'Bearer a-token-of-sixtee', 'refused'],
    ['another scheme', 'Basic a-token-of-sixteen', 'refused'],
    ['nothing behind the scheme', 'Bearer ', 'refused'],
  ])('is, with %s (%s), that an admin is %s', (_what, header, access) => {
    expect(createAdminCheck('a-token-of-sixteen')(header)).toBe(access);
  });

  it('is never that an admin is granted anything where no token is configured', () => {
    for (const header of ['Bearer ', 'Bearer null', 'Bearer undefined', '']) {
      expect(createAdminCheck(null)(header)).toBe('refused');
    }
  });
});

describe('an answer by a retiring version', () => {
  const retiring = (id: string, sunsetAt: Date | null): ModelVersion =>
    ({
      id,
      state: 'retiring',
      successor: 'v3',
      sunsetAt,
      rollout: { since: '2026-01-01T00:00:00.000Z' },
    }) as unknown as ModelVersion;
  const stable = { id: 'v3', state: 'stable' } as ModelVersion;

  it('says so by the headers of RFC 9745 and RFC 8594', () => {
    const [late, soon] = [
      retiring('v1', new Date('2026-03-01T00:00:00Z')),
      retiring('v2', new Date('2026-02-01T12:30:00Z')),
    ];
    expect(deprecationHeaders([stable, late, soon])).toEqual({
      deprecation: '@1767225600',
      sunset: 'Sun, 01 Feb 2026 12:30:00 GMT',
    });
    expect(deprecationHeaders([retiring('v1', null)])).toEqual({ deprecation: '@1767225600' });
    expect(deprecationHeaders([stable])).toEqual({});
  });

  it('names the version to ask for instead', () => {
    expect(deprecations([stable, retiring('v1', null)])).toEqual([
      { modelVersion: 'v1', successor: 'v3', sunsetAt: null },
    ]);
  });
});
