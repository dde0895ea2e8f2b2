import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Change,
  type RolloutState,
  TRANSITIONS,
  VERSION_STATES,
  type VersionState,
  addVersion,
  amend,
  candidateOf,
  firstState,
  move,
  promote,
  recordOf,
  restore,
  stableOf,
  stateSchema,
} from '../src/rollout/state.js';

const first = firstState({ versions: ['v1', 'v2', 'v3'], stable: 'v1', candidate: null });
const change = (version: string, action = 'test'): Change => ({
  version,
  action,
  who: 'a test',
  why: 'to see',
  at: new Date(1_700_000_000_000),
});
const walk = (state: RolloutState, version: string, ...states: VersionState[]): RolloutState =>
  states.reduce((now, to) => move(now, change(version), to), state);

describe('the states of a version', () => {
  it('begin as the config says', () => {
    expect(stableOf(first)).toBe('v1');
    expect(candidateOf(first)).toBeNull();
    const trial = firstState({ versions: ['v1', 'v2'], stable: 'v1', candidate: 'v2' });
    expect(candidateOf(trial)).toBe('v2');
    expect(recordOf(trial, 'v2')).toMatchObject({ state: 'shadow', share: 0 });
  });

  it('lead step by step to stable, which retires the one before', () => {
    const canary = walk(first, 'v2', 'backfilling', 'shadow', 'canary');
    const next = promote(canary, change('v2', 'promote'), new Date('2030-01-01'));
    expect(stableOf(next)).toBe('v2');
    expect(recordOf(next, 'v1')).toMatchObject({
      state: 'retiring',
      successor: 'v2',
      sunsetAt: '2030-01-01T00:00:00.000Z',
    });
    const gone = move(next, change('v1', 'retire'), 'gone');
    expect(recordOf(gone, 'v1')).toMatchObject({ state: 'gone', successor: 'v2' });
  });

  it('lead back: a retiring version becomes stable again, and the one that replaced it starts anew', () => {
    const next = promote(walk(first, 'v2', 'backfilling', 'shadow', 'canary'), change('v2'), null);
    const back = restore(next, change('v1', 'rollback'));
    expect(stableOf(back)).toBe('v1');
    expect(recordOf(back, 'v1')).toMatchObject({ sunsetAt: null, successor: null });
    expect(recordOf(back, 'v2')).toMatchObject({ state: 'added', share: 0 });
    expect(() => restore(back, change('v2'))).toThrow(/only a retiring version/);
  });

  it.each(VERSION_STATES.flatMap((from) => VERSION_STATES.map((to) => ({ from, to }))))(
    'allow $from -> $to only where the table says so',
    ({ from, to }) => {
      const state = {
        ...first,
        versions: { ...first.versions, v2: { ...recordOf(first, 'v2'), state: from } },
      };
      const step = (): RolloutState => move(state, change('v2'), to);
      if (TRANSITIONS[from].includes(to)) expect(recordOf(step(), 'v2').state).toBe(to);
      else expect(step).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT', reason: 'TRANSITION' }));
    },
  );

  it('allow one version on trial, and name the one that is', () => {
    const trial = walk(first, 'v2', 'backfilling', 'shadow');
    const other = walk(trial, 'v3', 'backfilling');
    expect(() => move(other, change('v3'), 'shadow')).toThrow(/v2 is on trial/);
  });

  it('say which versions there are when there is none of a name', () => {
    expect(() => move(first, change('v9'), 'gone')).toThrow(/expected one of v1, v2, v3/);
  });

  it('keep a history of all that happened, and nothing of it is ever taken out', () => {
    const done = promote(
      amend(walk(first, 'v2', 'backfilling', 'shadow', 'canary'), change('v2', 'traffic'), { share: 0.5 }),
      change('v2', 'promote'),
      null,
    );
    expect(done.history.map(({ version, from, to, share }) => [version, from, to, share])).toEqual([
      ['v2', 'added', 'backfilling', 0],
      ['v2', 'backfilling', 'shadow', 0],
      ['v2', 'shadow', 'canary', 0],
      ['v2', 'canary', 'canary', 0.5],
      ['v2', 'canary', 'stable', 0],
      ['v1', 'stable', 'retiring', 0],
    ]);
    expect(done.history[0]).toMatchObject({ who: 'a test', why: 'to see', at: '2023-11-14T22:13:20.000Z' });
    expect(done.revision).toBe(5);
  });

  it('add a version that comes up, again when it was gone, and once', () => {
    const added = addVersion(first, change('v4', 'add'));
    expect(recordOf(added, 'v4').state).toBe('added');
    expect(addVersion(added, change('v4', 'add'))).toBe(added);
    const gone = move(added, change('v4'), 'gone');
    expect(recordOf(addVersion(gone, change('v4', 'add')), 'v4').state).toBe('added');
  });

  it('always hold one stable version and at most one on trial, whatever is tried (property)', () => {
    const step = fc.record({
      version: fc.constantFrom('v1', 'v2', 'v3'),
      to: fc.constantFrom(...VERSION_STATES),
      how: fc.constantFrom('move', 'promote', 'restore', 'share'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let state = first;
        for (const { version, to, how } of steps) {
          const before = state;
          try {
            if (how === 'promote') state = promote(state, change(version), null);
            else if (how === 'restore') state = restore(state, change(version));
            // Stable changes hands by promote and restore alone, as the rollout has it.
            else if (to !== 'stable' && recordOf(state, version).state !== 'stable')
              state = move(state, change(version), to);
          } catch (error) {
            expect(error).toMatchObject({ reason: 'TRANSITION' });
            expect(state).toBe(before);
          }
          const states = Object.values(state.versions).map((record) => record.state);
          expect(states.filter((each) => each === 'stable')).toHaveLength(1);
          expect(states.filter((each) => each === 'shadow' || each === 'canary').length).toBeLessThan(2);
          expect(state.history.slice(0, before.history.length)).toEqual(before.history);
          expect(stateSchema.parse(JSON.parse(JSON.stringify(state)))).toEqual(state);
        }
      }),
      { numRuns: 300 },
    );
  });
});
