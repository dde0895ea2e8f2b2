import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Catalogue } from '../catalogue/catalogue.js';
import type { Embedder } from '../embedding/embedder.js';
import { KindredError } from '../errors.js';
import { UNKNOWN, isOver, trafficOf } from '../rollout/standing.js';
import { type RolloutState, candidateOf, firstState, stableOf } from '../rollout/state.js';
import type { Collection, VectorStore } from '../vectors/store.js';
import { collectionPrefix, collectionSpec } from './collection-spec.js';
import type { ModelRegistry, ModelRole, ModelVersion, ServedModel } from './model-version.js';

/** What a loader answers for a version: its embedder and the facts that clients may see. */
export interface LoadedModel {
  readonly name: string;
  readonly embedder: Embedder;
}

export interface RegistryOptions {
  /** Version ids in the order in which they are shown. */
  readonly versions: readonly string[];
  readonly stable: string;
  readonly candidate: string | null;
  /** Where each version stands; by default as the config says. */
  readonly rollout?: () => RolloutState;
  /** The catalogue of a version. */
  readonly catalogueOf: (id: string) => Catalogue;
  readonly store: VectorStore;
  /** Loads a version's model; rejects with the reason when its bundle is broken. */
  readonly load: (id: string) => Promise<LoadedModel>;
  /** Rejects when a loaded model can't be trusted; asked at load and every `proveMs`. */
  readonly prove?: (id: string, embedder: Embedder) => Promise<void>;
  /** In ms; 0 and by default never again. */
  readonly proveMs?: number;
  readonly log: Logger;
  /** Time before a version that failed is tried again, in ms: a store may come up after the gateway. Default 3,000. */
  readonly retryMs?: number;
  /** Time to wait for the versions, in ms; a slower one joins once it is loaded. Default: as long as it takes. */
  readonly startMs?: number;
  /** Time that requests in flight get before a version that is gone is unloaded, in ms. Default 15,000. */
  readonly graceMs?: number;
  /** Told when a version can answer, with the name of its collection. What it throws is logged. */
  readonly onServed?: (id: string, collection: string) => Promise<void>;
  /** Puts something before each collection, e.g. the coalescing of searches. */
  readonly wrap?: (collection: Collection) => Collection;
}

/** One version's state. `model` stays once loaded, so that a retry only opens the collection. */
interface Slot {
  readonly id: string;
  model: LoadedModel | null;
  collection: Collection | null;
  /** Why it can't answer; null while it loads and when it can. */
  fault: string | null;
  /** Whether it was taken out: nothing may be loaded into it any more. */
  left: boolean;
}

const ALIASES: Readonly<Record<string, (state: RolloutState) => string | null>> = {
  stable: stableOf,
  candidate: candidateOf,
};

/**
 * Loads every version side by side and answers as soon as each has been tried once, or `startMs` have passed. A version that fails is
 * refused by name while the others serve, and is tried again until it loads or the registry closes.
 */
export async function createRegistry(options: RegistryOptions): Promise<ModelRegistry> {
  const { catalogueOf, store, log, retryMs = 3_000, graceMs = 15_000, startMs } = options;
  const first = firstState(options);
  const rollout = options.rollout ?? ((): RolloutState => first);
  const slots = new Map<string, Slot>();
  const timers = new Set<NodeJS.Timeout>();
  const leaving = new Map<string, { readonly timer: NodeJS.Timeout; readonly model: LoadedModel }>();
  let closed = false;

  const loadSlot = async (slot: Slot): Promise<void> => {
    try {
      slot.model ??= await options.load(slot.id);
      // Nobody else will close what came too late.
      if (closed || slot.left) {
        await slot.model.embedder.close();
        return;
      }
      await options.prove?.(slot.id, slot.model.embedder);
      const spec = collectionSpec(catalogueOf(slot.id), slot.id, slot.model.embedder);
      const collection = await store.open(spec);
      await tellOfOlder(slot.id, collection);
      slot.collection = options.wrap?.(collection) ?? collection;
      slot.fault = null;
      void options.onServed?.(slot.id, collection.spec.name).catch((error: unknown) => {
        log.warn({ version: slot.id, err: error }, 'no alias points to the collection of this version');
      });
      const { embedder } = slot.model;
      const { provider, degraded } = embedder.health().placement ?? {};
      log.info({ version: slot.id, dimension: embedder.model.dimension, provider }, 'model version ready');
      if (degraded !== undefined)
        log.warn({ version: slot.id, provider, reason: degraded }, 'model version degraded');
    } catch (error) {
      if (closed || slot.left) return;
      const reason = error instanceof Error ? error.message : String(error);
      // The same fault again is no news.
      if (slot.fault !== reason) log.error({ version: slot.id, reason }, 'model version refused');
      slot.fault = reason;
      retryLater(slot);
    }
  };

  /** Takes versions out of service that can't be trusted any more; they are tried again like those that can't be loaded. */
  const proveAll = async (): Promise<void> => {
    for (const slot of slots.values()) {
      if (slot.model === null || slot.collection === null) continue;
      try {
        await options.prove?.(slot.id, slot.model.embedder);
      } catch (error) {
        if (closed || slot.left) continue;
        slot.fault = error instanceof Error ? error.message : String(error);
        slot.collection = null;
        log.error({ version: slot.id, reason: slot.fault }, 'model version out of service');
        retryLater(slot);
      }
    }
  };
  const { proveMs = 0 } = options;
  const proving = proveMs > 0 ? setInterval(() => void proveAll(), proveMs) : undefined;
  proving?.unref();

  /** An empty collection beside older ones of the same version is what a changed catalogue or model leaves: it wants an import. */
  const tellOfOlder = async (version: string, collection: Collection): Promise<void> => {
    const { spec } = collection;
    const prefix = collectionPrefix(catalogueOf(version), version);
    const older = (await store.list()).filter((name) => name.startsWith(prefix) && name !== spec.name);
    if (older.length > 0 && (await collection.count()) === 0)
      log.warn(
        { version, collection: spec.name, older },
        'model version without items: catalogue or model have changed since they were imported, so import again',
      );
  };

  const retryLater = (slot: Slot): void => {
    if (closed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      void loadSlot(slot);
    }, retryMs);
    timer.unref();
    timers.add(timer);
  };

  /** The same order in every process: that of the config, then that in which the others came up. */
  const presentIds = (): string[] => {
    const { versions } = rollout();
    const all = new Set([...options.versions, ...Object.keys(versions)]);
    return [...all].filter((id) => versions[id]?.state !== 'gone');
  };
  /** Slots for all versions that are there, and none for those that are gone. Answers what it has begun to load. */
  const sync = (): Promise<unknown> => {
    const present = presentIds();
    for (const [id, slot] of slots) if (!present.includes(id)) unload(slot);
    const fresh = present.filter((id) => !slots.has(id));
    return Promise.all(
      fresh.map((id) => {
        // One that comes back while it is being unloaded is there already.
        const returned = leaving.get(id);
        clearTimeout(returned?.timer);
        leaving.delete(id);
        const model = returned?.model ?? null;
        const slot: Slot = { id, model, collection: null, fault: null, left: false };
        slots.set(id, slot);
        return loadSlot(slot);
      }),
    );
  };
  const unload = (slot: Slot): void => {
    slot.left = true;
    slots.delete(slot.id);
    log.info({ version: slot.id }, 'model version gone');
    const { model } = slot;
    if (model === null) return;
    const timer = setTimeout(() => {
      leaving.delete(slot.id);
      void model.embedder.close();
    }, graceMs);
    timer.unref();
    leaving.set(slot.id, { timer, model });
  };

  /** A version that was added while the gateway runs is not needed before it has traffic; nor one on trial that failed, since the stable one takes its part. */
  const isNeeded = ({ id, fault }: Slot): boolean =>
    options.versions.includes(id) ||
    id === stableOf(rollout()) ||
    (fault === null && describeTraffic(id) > 0);

  const loading = sync();
  await (startMs === undefined ? loading : Promise.race([loading, sleep(startMs, null, { ref: false })]));
  for (const { id, fault, collection } of slots.values())
    if (fault === null && collection === null) log.warn({ version: id }, 'model version still loading');

  const roleOf = (id: string): ModelRole =>
    id === stableOf(rollout()) ? 'STABLE' : id === candidateOf(rollout()) ? 'CANDIDATE' : 'IDLE';
  const describeTraffic = (id: string): number => {
    const share = trafficOf(rollout());
    const { state } = rollout().versions[id] ?? UNKNOWN;
    return state === 'stable' ? 1 - share : state === 'canary' ? share : 0;
  };
  const describe = (slot: Slot): ModelVersion => {
    const record = rollout().versions[slot.id] ?? UNKNOWN;
    const model = slot.model?.embedder.model;
    const placement = slot.model?.embedder.health().placement;
    return {
      id: slot.id,
      name: slot.model?.name ?? slot.id,
      dimension: model?.dimension ?? 0,
      maxTokens: model?.maxTokens ?? 0,
      role: roleOf(slot.id),
      state: record.state,
      traffic: describeTraffic(slot.id),
      health: slot.fault !== null ? 'FAILED' : slot.collection === null ? 'LOADING' : 'READY',
      sunsetAt: record.sunsetAt === null ? null : new Date(record.sunsetAt),
      successor: record.successor,
      rollout: record,
      calibration: record.calibration?.digest === model?.digest ? record.calibration : null,
      searchModes:
        slot.collection === null
          ? []
          : slot.collection.lexical
            ? ['SEMANTIC', 'LEXICAL', 'HYBRID']
            : ['SEMANTIC'],
      executionProvider: placement?.provider ?? null,
      degraded: placement?.degraded !== undefined,
      digest: model?.digest ?? '',
    };
  };
  const serve = (slot: Slot): ServedModel | null =>
    slot.model === null || slot.collection === null
      ? null
      : {
          version: describe(slot),
          embedder: slot.model.embedder,
          collection: slot.collection,
          catalogue: catalogueOf(slot.id),
        };

  return {
    versions: () =>
      presentIds()
        .flatMap((id) => slots.get(id) ?? [])
        .map(describe),
    resolve: (reference) => {
      const state = rollout();
      const alias = Object.hasOwn(ALIASES, reference ?? 'stable')
        ? ALIASES[reference ?? 'stable']
        : undefined;
      const id = (alias === undefined ? reference : alias(state)) ?? '';
      const slot = slots.get(id);
      if (slot === undefined || isOver(state, id)) {
        const known = [...slots.keys()].filter((each) => !isOver(state, each));
        const successor = Object.hasOwn(state.versions, id) ? state.versions[id]?.successor : undefined;
        const instead = successor
          ? `model version ${id} is retired, and ${successor} answers in its place: `
          : '';
        throw new KindredError(
          'MODEL_VERSION_NOT_FOUND',
          `${instead}expected modelVersion to be one of ${known.join(', ')}, stable or candidate`,
        );
      }
      const served = state.versions[id]?.state === 'backfilling' ? null : serve(slot);
      if (served === null) {
        throw new KindredError('MODEL_VERSION_UNAVAILABLE', `model version ${slot.id} can't answer now`, {
          retryAfterMs: retryMs,
        });
      }
      return served;
    },
    served: () => [...slots.values()].map(serve).filter((model) => model !== null),
    ready: () =>
      [...slots.values()]
        .filter(isNeeded)
        .every(
          ({ collection, model }) =>
            collection !== null &&
            collection.fault?.() === undefined &&
            model?.embedder.health().ready === true,
        ),
    faults: () => {
      const faults: Record<string, string> = {};
      for (const { id, fault, model, collection } of slots.values()) {
        const health = model?.embedder.health();
        const unready = health?.ready === false ? (health.reason ?? 'not ready') : undefined;
        const reason = fault ?? unready ?? collection?.fault?.();
        if (reason !== undefined) faults[id] = reason;
      }
      return faults;
    },
    degradations: () => {
      const reasons: Record<string, string> = {};
      for (const { id, model } of slots.values()) {
        const reason = model?.embedder.health().placement?.degraded;
        if (reason !== undefined) reasons[id] = reason;
      }
      return reasons;
    },
    sync: () => {
      void sync();
    },
    close: async () => {
      closed = true;
      clearInterval(proving);
      for (const timer of timers) clearTimeout(timer);
      for (const { timer, model } of leaving.values()) {
        clearTimeout(timer);
        await model.embedder.close();
      }
      for (const { model } of slots.values()) await model?.embedder.close();
    },
  };
}
