import type { Config } from '../config.js';
import type { Replica } from './replica.js';
import {
  type Actor,
  type Change,
  type GateSummary,
  type RolloutState,
  type ShardProgress,
  type TrialFigures,
  type VersionCalibration,
  type VersionRecord,
  type Verification,
  addVersion,
  amend,
  candidateOf,
  move,
  noteGate,
  noteProgress,
  noteTrial,
  promote,
  recordOf,
  refusal,
  restore,
  stableOf,
} from './state.js';

/** Who takes a step, why, and whether without the proofs that it needs. */
export interface StepOptions extends Actor {
  /** Goes without a passing gate and verification; then `why` has to say something. */
  readonly force?: boolean;
}

export interface RolloutOptions {
  readonly replica: Replica;
  readonly config: Pick<Config['rollout'], 'sunsetDays' | 'verifiedForMs' | 'gate'>;
  /** The digest of a version's files as they are loaded here; '' while they are not. */
  readonly digestOf: (id: string) => string;
  readonly now?: () => Date;
}

/**
 * The steps of a rollout. Each is one change of the shared state: it is taken as a whole, on top of the latest state, or refused with BAD_USER_INPUT
 * (TRANSITION) in words that say what is missing; UPSTREAM_UNAVAILABLE when the shared state can't be reached.
 */
export interface Rollout {
  readonly replica: Replica;
  /** Why a version may not answer users yet; undefined when its gate lets it. */
  gateFault(id: string): string | undefined;
  /** Why a version may not become stable as far as its items go; undefined when it was verified against the stable one of late. */
  verificationFault(id: string): string | undefined;
  /** Makes a version known. Nothing changes when it is. */
  add(id: string, actor: Actor): Promise<RolloutState>;
  /** Begins or goes on with the embedding of the catalogue into a version; nothing changes while one is under way. */
  beginBackfill(id: string, actor: Actor): Promise<RolloutState>;
  noteProgress(id: string, shard: string, progress: ShardProgress): Promise<RolloutState>;
  noteTrial(id: string, replica: string, figures: TrialFigures): Promise<RolloutState>;
  /** Notes that a version holds what the one that it was compared with holds; nothing changes when another is stable by now. */
  noteVerified(id: string, verification: Verification, actor: Actor): Promise<RolloutState>;
  /** Notes what a gate found; `calibrations` are by version. */
  noteGate(
    id: string,
    gate: GateSummary,
    actor: Actor,
    calibrations?: Readonly<Record<string, VersionCalibration | null>>,
  ): Promise<RolloutState>;
  /** Puts a verified version on trial: searches run on it too, and their answers are compared. */
  shadow(id: string, options: StepOptions): Promise<RolloutState>;
  /** Gives a version on trial a share of the requests, 0 to 1; above 0 it needs a passing gate. */
  setTraffic(id: string, share: number, options: StepOptions): Promise<RolloutState>;
  /** Makes a version on trial the stable one; it needs a passing gate, and a verification of late. */
  promote(id: string, options: StepOptions): Promise<RolloutState>;
  /** Takes the traffic from the version on trial; when none has any, brings back the version that was stable before. */
  rollback(actor: Actor): Promise<RolloutState>;
  /** Ends a trial: the version is as if it had just been added. */
  abandon(id: string, actor: Actor): Promise<RolloutState>;
  /** Ends a retiring version, or one that was only added. */
  retire(id: string, actor: Actor): Promise<RolloutState>;
}

/** Makes the steps over a replica of the shared state. */
export function createRollout({
  replica,
  config,
  digestOf,
  now = () => new Date(),
}: RolloutOptions): Rollout {
  const changeOf = (version: string, action: string, { who, why }: Actor): Change => ({
    version,
    action,
    who,
    why,
    at: now(),
  });

  const missingAt = (state: RolloutState, id: string): string | undefined =>
    gateFault(recordOf(state, id), {
      id,
      stable: stableOf(state),
      digestOf,
      maxAgeMs: config.gate.maxAgeHours * 3_600_000,
      at: now(),
    });
  /** Throws when a version may not answer users: what it needs, and how to get it. */
  const demandGate = (state: RolloutState, id: string, { force = false, why }: StepOptions): void => {
    if (forced(force, why)) return;
    const missing = missingAt(state, id);
    if (missing !== undefined)
      throw refusal(`${missing}; run \`kindred models gate ${id}\`, or force it with a reason`);
  };

  const unverifiedAt = (state: RolloutState, id: string, maxAgeMs = Infinity): string | undefined => {
    const { verified } = recordOf(state, id);
    const stable = stableOf(state);
    if (verified?.against !== stable) return `${id} is not verified against ${stable}`;
    const ageMs = now().getTime() - Date.parse(verified.at);
    return ageMs > maxAgeMs ? `${id} was verified too long ago, at ${verified.at}` : undefined;
  };
  /** Throws when a version does not hold what the stable one holds, as far as is known. */
  const demandVerified = (
    state: RolloutState,
    id: string,
    { force = false, why }: StepOptions,
    maxAgeMs?: number,
  ): void => {
    if (forced(force, why)) return;
    const missing = unverifiedAt(state, id, maxAgeMs);
    if (missing !== undefined)
      throw refusal(`${missing}: run \`kindred models verify ${id}\`, or force it with a reason`);
  };

  return {
    replica,
    verificationFault: (id) => unverifiedAt(replica.state, id, config.verifiedForMs),
    gateFault: (id) => missingAt(replica.state, id),
    add: (id, actor) => replica.change((state) => addVersion(state, changeOf(id, 'add', actor))),
    beginBackfill: (id, actor) =>
      replica.change((state) => {
        const { state: at } = recordOf(state, id);
        // What is on trial had everything once: what it lacks by now is filled up beneath it.
        if (at === 'backfilling' || at === 'shadow' || at === 'canary') return state;
        const more = { backfill: {}, verified: null };
        return move(state, changeOf(id, 'backfill', actor), 'backfilling', more);
      }),
    noteProgress: (id, shard, progress) =>
      replica.change((state) => noteProgress(state, id, shard, progress)),
    noteTrial: (id, name, figures) => replica.change((state) => noteTrial(state, id, name, figures)),
    noteVerified: (id, verified, actor) =>
      replica.change((state) => {
        // Told again since the answer to the first time was lost, or too late to mean anything.
        const told = recordOf(state, id).verified?.at === verified.at;
        const stable = stableOf(state);
        if (told || verified.against !== stable || id === stable) return state;
        return amend(state, changeOf(id, 'verify', actor), { verified });
      }),
    noteGate: (id, gate, actor, calibrations = {}) =>
      replica.change((state) =>
        recordOf(state, id).gate?.digest === gate.digest
          ? state
          : noteGate(state, changeOf(id, 'gate', actor), gate, calibrations),
      ),
    shadow: (id, options) =>
      replica.change((state) => {
        demandVerified(state, id, options);
        return move(state, changeOf(id, 'shadow', options), 'shadow', { trial: {} });
      }),
    setTraffic: (id, share, options) =>
      replica.change((state) => {
        if (!(share >= 0 && share <= 1))
          throw refusal(`expected a share of 0 to 1, but got ${String(share)}`);
        const record = recordOf(state, id);
        const change = changeOf(id, 'traffic', options);
        if (share === 0) return record.state === 'canary' ? move(state, change, 'shadow') : state;
        demandGate(state, id, options);
        return record.state === 'canary'
          ? amend(state, change, { share })
          : move(state, change, 'canary', { share });
      }),
    promote: (id, options) =>
      replica.change((state) => {
        const record = recordOf(state, id);
        if (record.state === 'stable') return state;
        demandGate(state, id, options);
        demandVerified(state, id, options, config.verifiedForMs);
        const change = changeOf(id, 'promote', options);
        const canary = record.state === 'shadow' ? move(state, change, 'canary') : state;
        const sunset =
          config.sunsetDays === null ? null : new Date(change.at.getTime() + config.sunsetDays * 86_400_000);
        return promote(canary, change, sunset);
      }),
    rollback: (actor) =>
      replica.change((state) => {
        const candidate = candidateOf(state);
        if (candidate !== null && recordOf(state, candidate).state === 'canary')
          return move(state, changeOf(candidate, 'rollback', actor), 'shadow');
        const stable = stableOf(state);
        const before = Object.keys(state.versions).find((id) => {
          const record = state.versions[id];
          return record?.state === 'retiring' && record.successor === stable;
        });
        if (before === undefined)
          throw refusal(
            'nothing to roll back: no version on trial has traffic, and none that was stable before is left',
          );
        return restore(state, changeOf(before, 'rollback', actor));
      }),
    abandon: (id, actor) =>
      replica.change((state) =>
        move(state, changeOf(id, 'abandon', actor), 'added', { backfill: {}, verified: null, trial: {} }),
      ),
    retire: (id, actor) =>
      replica.change((state) => {
        const { state: at, successor } = recordOf(state, id);
        if (at === 'gone') return state;
        return move(state, changeOf(id, 'retire', actor), 'gone', {
          successor: successor ?? stableOf(state),
        });
      }),
  };
}

function forced(force: boolean | undefined, why: string): boolean {
  if (force === true && why.trim() === '') throw refusal('a forced step needs a reason');
  return force === true;
}

/** Why a version's gate does not let it answer users; undefined when it does. */
function gateFault(
  { gate }: Pick<VersionRecord, 'gate'>,
  {
    id,
    stable,
    digestOf,
    maxAgeMs,
    at,
  }: {
    readonly id: string;
    readonly stable: string;
    readonly digestOf: (id: string) => string;
    readonly maxAgeMs: number;
    readonly at: Date;
  },
): string | undefined {
  if (gate === null) return `${id} has not been through the gate`;
  if (!gate.passed) return `${id} did not pass the gate: ${gate.failures.join('; ')}`;
  if (gate.against !== stable) return `${id} was held against ${gate.against}, but ${stable} is stable now`;
  if (gate.candidateDigest !== digestOf(id))
    return `the files of ${id} are others than those that passed the gate`;
  if (gate.baselineDigest !== digestOf(stable))
    return `the files of ${stable} are others than those that ${id} was held against`;
  if (at.getTime() - Date.parse(gate.at) > maxAgeMs) return `the gate record of ${id} is too old`;
  return undefined;
}
