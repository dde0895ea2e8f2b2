import { type KindredError, badInput } from '../errors.js';
import type {
  VersionState,
  ShardProgress,
  GateSummary,
  VersionCalibration,
  TrialFigures,
  VersionRecord,
  RolloutState,
} from './state-schema.js';

export {
  VERSION_STATES,
  stateSchema,
  type VersionState,
  type ShardProgress,
  type Verification,
  type GateSummary,
  type VersionCalibration,
  type TrialFigures,
  type VersionRecord,
  type RolloutEvent,
  type RolloutState,
} from './state-schema.js';

/**
 * The steps that a version may take. Forward: one at a time. Back: a trial ends (`shadow` or `canary` to `added`), a canary loses its traffic
 * (to `shadow`), and a stable version that was replaced comes back (`retiring` to `stable`).
 */
export const TRANSITIONS: Readonly<Record<VersionState, readonly VersionState[]>> = {
  added: ['backfilling', 'gone'],
  backfilling: ['shadow', 'added'],
  shadow: ['canary', 'added'],
  canary: ['stable', 'shadow', 'added'],
  stable: ['retiring'],
  retiring: ['stable', 'gone'],
  gone: ['added'],
};

/** Who changes something, and why. */
export interface Actor {
  readonly who: string;
  readonly why: string;
}

/** What a change comes down to. */
export interface Change extends Actor {
  readonly version: string;
  /** What the step is called, e.g. `promote`. */
  readonly action: string;
  readonly at: Date;
}

/** A rollout before anything has happened: the state that the config stands for. */
export function firstState(
  { versions, stable, candidate }: FirstVersions,
  at: Date = new Date(0),
): RolloutState {
  const roleOf = (id: string): VersionState =>
    id === stable ? 'stable' : id === candidate ? 'shadow' : 'added';
  return {
    format: 1,
    revision: 0,
    versions: Object.fromEntries(versions.map((id) => [id, firstRecord(roleOf(id), at)])),
    history: [],
  };
}

/** The versions of the config. */
export interface FirstVersions {
  readonly versions: readonly string[];
  readonly stable: string;
  readonly candidate: string | null;
}

/** What is known of a version that has just come into `state`. */
export function firstRecord(state: VersionState, at: Date): VersionRecord {
  return {
    state,
    since: at.toISOString(),
    share: 0,
    sunsetAt: null,
    successor: null,
    backfill: {},
    verified: null,
    gate: null,
    calibration: null,
    trial: {},
  };
}

/** The one stable version. */
export function stableOf({ versions }: RolloutState): string {
  return idIn(versions, ['stable']) ?? '';
}

/** The version on trial, in shadow or as a canary; null when there is none. */
export function candidateOf({ versions }: RolloutState): string | null {
  return idIn(versions, ['shadow', 'canary']) ?? null;
}

function idIn(versions: RolloutState['versions'], states: readonly VersionState[]): string | undefined {
  return Object.keys(versions).find((id) => states.includes(versions[id]?.state ?? 'gone'));
}

/** The record of a version; throws when there is none. */
export function recordOf({ versions }: RolloutState, id: string): VersionRecord {
  const record = versions[id];
  if (record === undefined)
    throw refusal(`expected one of ${Object.keys(versions).join(', ')}, but got no version named ${id}`);
  return record;
}

/** Adds a version that has come up, e.g. a new folder. The same state when it is there already. */
export function addVersion(state: RolloutState, change: Change): RolloutState {
  const known = state.versions[change.version];
  if (known !== undefined && known.state !== 'gone') return state;
  return put(state, change, firstRecord('added', change.at));
}

/**
 * Takes a version to another state; `more` changes the rest of its record. Throws BAD_USER_INPUT (TRANSITION) for a step that is not allowed, and for a
 * second version on trial.
 */
export function move(
  state: RolloutState,
  change: Change,
  to: VersionState,
  more: Partial<VersionRecord> = {},
): RolloutState {
  const { version, at } = change;
  const record = recordOf(state, version);
  if (!TRANSITIONS[record.state].includes(to)) {
    const allowed = TRANSITIONS[record.state].join(' or ');
    throw refusal(`${version} is ${record.state}: it can become ${allowed}, but not ${to}`);
  }
  const other = candidateOf(state);
  if ((to === 'shadow' || to === 'canary') && other !== null && other !== version)
    throw refusal(`${other} is on trial: one version at a time`);
  return put(state, change, { ...record, share: 0, ...more, state: to, since: at.toISOString() });
}

/** Changes a version's record within its state, with an entry in the history. */
export function amend(state: RolloutState, change: Change, more: Partial<VersionRecord>): RolloutState {
  return put(state, change, { ...recordOf(state, change.version), ...more });
}

/** Notes what a gate found: of the candidate, and of the scores of both. */
export function noteGate(
  state: RolloutState,
  change: Change,
  gate: GateSummary,
  calibrations: Readonly<Record<string, VersionCalibration | null>>,
): RolloutState {
  const noted = amend(state, change, { gate });
  const versions = { ...noted.versions };
  for (const [id, calibration] of Object.entries(calibrations)) {
    const record = versions[id];
    if (record !== undefined && calibration !== null) versions[id] = { ...record, calibration };
  }
  return { ...noted, versions };
}

/** Notes progress of a backfill: no step of its own, so the history stays as it is. */
export function noteProgress(
  state: RolloutState,
  version: string,
  shard: string,
  progress: ShardProgress,
): RolloutState {
  const record = recordOf(state, version);
  return {
    ...state,
    revision: state.revision + 1,
    versions: {
      ...state.versions,
      [version]: { ...record, backfill: { ...record.backfill, [shard]: progress } },
    },
  };
}

/** Notes what a replica has compared: no step of its own either. */
export function noteTrial(
  state: RolloutState,
  version: string,
  replica: string,
  figures: TrialFigures,
): RolloutState {
  const record = recordOf(state, version);
  return {
    ...state,
    revision: state.revision + 1,
    versions: { ...state.versions, [version]: { ...record, trial: { ...record.trial, [replica]: figures } } },
  };
}

/**
 * Makes a canary the stable version; the one before it retires until `sunsetAt`, with its successor named, and can come back. One change, so
 * that there is always exactly one stable version.
 */
export function promote(state: RolloutState, change: Change, sunsetAt: Date | null): RolloutState {
  return replaceStable(state, change, { sunsetAt: sunsetAt?.toISOString() ?? null });
}

/** Brings a retiring version back to stable; the one that replaced it goes back to where trials begin. */
export function restore(state: RolloutState, change: Change): RolloutState {
  const replaced = stableOf(state);
  const record = recordOf(state, change.version);
  if (record.state !== 'retiring')
    throw refusal(`${change.version} is ${record.state}: only a retiring version comes back`);
  const swapped = withRecord(
    put(state, change, {
      ...record,
      state: 'stable',
      since: change.at.toISOString(),
      sunsetAt: null,
      successor: null,
    }),
    replaced,
    keepProofs(recordOf(state, replaced), change.at),
  );
  return withEvent(swapped, { ...change, version: replaced }, 'stable', 'added', 0);
}

/** A version as if it had just been added, but for what its gate found. */
function keepProofs({ gate, calibration }: VersionRecord, at: Date): VersionRecord {
  return { ...firstRecord('added', at), gate, calibration };
}

function replaceStable(
  state: RolloutState,
  change: Change,
  { sunsetAt }: { readonly sunsetAt: string | null },
): RolloutState {
  const before = stableOf(state);
  const moved = move(state, change, 'stable', { sunsetAt: null, successor: null });
  const retired = withRecord(moved, before, {
    ...recordOf(state, before),
    state: 'retiring',
    since: change.at.toISOString(),
    share: 0,
    sunsetAt,
    successor: change.version,
  });
  return withEvent(retired, { ...change, version: before }, 'stable', 'retiring', 0);
}

function put(state: RolloutState, change: Change, record: VersionRecord): RolloutState {
  const from = state.versions[change.version]?.state ?? null;
  const next = withRecord({ ...state, revision: state.revision + 1 }, change.version, record);
  return withEvent(next, change, from, record.state, record.share);
}

function withRecord(state: RolloutState, version: string, record: VersionRecord): RolloutState {
  return { ...state, versions: { ...state.versions, [version]: record } };
}

function withEvent(
  state: RolloutState,
  { at, who, why, version, action }: Change,
  from: VersionState | null,
  to: VersionState,
  share: number,
): RolloutState {
  const event = { at: at.toISOString(), who, why, version, action, from, to, share };
  return { ...state, history: [...state.history, event] };
}

/** A step that is not allowed now. */
export function refusal(message: string): KindredError {
  return badInput(message, 'TRANSITION');
}
