import { createHash } from 'node:crypto';
import type { ModelRegistry, ModelVersion, ServedModel } from '../models/model-version.js';
import { type RolloutState, candidateOf, stableOf } from './state.js';

/** Whose request it is, as far as traffic goes by it. */
export interface TrafficSubject {
  /** The version that the request's header names. */
  readonly override?: string;
  /** The user or session: the same one gets the same version. */
  readonly id?: string;
  /** Whose texts are warmed beside those of others; no traffic goes by it. */
  readonly tenant?: string;
}

/** Who gets the version on trial before it has a share. */
export interface TrafficPolicy {
  readonly testers: ReadonlySet<string>;
}

/** 48 bits of a hash, of which a number between 0 and 1 is made. */
const HASH_BYTES = 6;

/**
 * The place of a subject between 0 and 1, the same for as long as a version is on trial: below its share the candidate answers. So a growing share moves
 * only those between the old and the new one, and each trial begins with other users.
 */
export function placeOf(id: string, candidate: string): number {
  const hash = createHash('sha256').update(`${candidate}\0${id}`).digest();
  return hash.readUIntBE(0, HASH_BYTES) / 2 ** (8 * HASH_BYTES);
}

/** The version that answers a request which names none. Without an id each request is placed by `random`, 0 to 1. */
export function chooseVersion(
  state: RolloutState,
  { override, id }: TrafficSubject,
  { testers }: TrafficPolicy,
  random: () => number = Math.random,
): string {
  if (override !== undefined) return override;
  const candidate = candidateOf(state);
  const record = candidate === null ? undefined : state.versions[candidate];
  if (candidate === null || record === undefined) return stableOf(state);
  if (id !== undefined && testers.has(id)) return candidate;
  if (record.share === 0) return stableOf(state);
  const place = id === undefined ? random() : placeOf(id, candidate);
  return place < record.share ? candidate : stableOf(state);
}

/** The version for what names none, and whether a header names it: then no other may answer. */
export interface Choice {
  readonly version: string;
  readonly named: boolean;
}

/** The registry as one request has it. */
export interface RequestModels extends Pick<ModelRegistry, 'resolve' | 'versions' | 'served'> {
  /** The version that was chosen for what names none; undefined while nothing has asked for it. */
  chosen(): string | undefined;
  /** Chooses the stable version instead of a drawn candidate; false when there is nothing to change. */
  fallBack(): boolean;
  /** The versions that have answered so far. */
  used(): readonly ModelVersion[];
  /** The tenant of the request, where tenants are told apart. */
  readonly tenant?: string;
}

/**
 * The versions for one request: what it does not name, the policy chooses, once, so that all its fields are answered by the same version and it
 * ends on the version that it began with. A candidate that can't answer is replaced by the stable version.
 */
export function modelsOf(
  registry: Pick<ModelRegistry, 'resolve' | 'versions' | 'served'>,
  choose: () => Choice,
  onFault?: (version: string) => void,
): RequestModels {
  const used = new Map<string, ModelVersion>();
  let chosen: ServedModel | undefined;
  let drawn = false;
  const use = (model: ServedModel): ServedModel => {
    used.set(model.version.id, model.version);
    return model;
  };
  const chooseOne = (): ServedModel => {
    const { version, named } = choose();
    drawn = !named;
    try {
      return registry.resolve(version);
    } catch (error) {
      if (named) throw error;
      onFault?.(version);
      return registry.resolve('stable');
    }
  };
  return {
    versions: registry.versions,
    served: registry.served,
    resolve: (reference) =>
      use(
        reference === null || reference === undefined
          ? (chosen ??= chooseOne())
          : registry.resolve(reference),
      ),
    chosen: () => chosen?.version.id,
    fallBack: () => {
      const stable = registry.resolve('stable');
      if (!drawn || chosen === undefined || chosen.version.id === stable.version.id) return false;
      chosen = stable;
      return true;
    },
    used: () => [...used.values()],
  };
}
