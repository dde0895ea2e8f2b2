import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Catalogue, indexedFields, searchedFields } from '../catalogue/catalogue.js';
import { schemaDigest } from '../catalogue/hash.js';
import type { Embedder } from '../embedding/embedder.js';
import { KindredError } from '../errors.js';
import type { Collection, CollectionSpec, VectorStore } from '../vectors/store.js';
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
  readonly catalogue: Catalogue;
  readonly store: VectorStore;
  /** Loads a version's model; rejects with the reason when its bundle is broken. */
  readonly load: (id: string) => Promise<LoadedModel>;
  readonly log: Logger;
  /** Time before a version that failed is tried again, in ms: a store may come up after the gateway. Default 3,000. */
  readonly retryMs?: number;
  /** Time to wait for the versions, in ms; a slower one joins once it is loaded. Default: as long as it takes. */
  readonly startMs?: number;
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
}

const ALIASES: Readonly<Record<string, 'stable' | 'candidate'>> = {
  stable: 'stable',
  candidate: 'candidate',
};

/**
 * Loads every version side by side and answers as soon as each has been tried once, or `startMs` have passed. A version that fails is
 * refused by name while the others serve, and is tried again until it loads or the registry closes.
 */
export async function createRegistry(options: RegistryOptions): Promise<ModelRegistry> {
  const { catalogue, store, log, retryMs = 3_000, startMs } = options;
  const slots = new Map<string, Slot>(
    options.versions.map((id) => [id, { id, model: null, collection: null, fault: null }]),
  );
  const timers = new Set<NodeJS.Timeout>();
  let closed = false;

  const loadSlot = async (slot: Slot): Promise<void> => {
    try {
      slot.model ??= await options.load(slot.id);
      // Nobody else will close what came too late.
      if (closed) {
        await slot.model.embedder.close();
        return;
      }
      const spec = collectionSpec(catalogue, slot.id, slot.model.embedder);
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
      if (closed) return;
      const reason = error instanceof Error ? error.message : String(error);
      // The same fault again is no news.
      if (slot.fault !== reason) log.error({ version: slot.id, reason }, 'model version refused');
      slot.fault = reason;
      retryLater(slot);
    }
  };

  /** An empty collection beside older ones of the same version is what a changed catalogue or model leaves: it wants an import. */
  const tellOfOlder = async (version: string, collection: Collection): Promise<void> => {
    const { spec } = collection;
    const prefix = collectionPrefix(catalogue, version);
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

  const loading = Promise.all([...slots.values()].map(loadSlot));
  await (startMs === undefined ? loading : Promise.race([loading, sleep(startMs, null, { ref: false })]));
  for (const { id, fault, collection } of slots.values())
    if (fault === null && collection === null) log.warn({ version: id }, 'model version still loading');

  const roleOf = (id: string): ModelRole =>
    id === options.stable ? 'STABLE' : id === options.candidate ? 'CANDIDATE' : 'IDLE';
  const describe = (slot: Slot): ModelVersion => {
    const model = slot.model?.embedder.model;
    const placement = slot.model?.embedder.health().placement;
    return {
      id: slot.id,
      name: slot.model?.name ?? slot.id,
      dimension: model?.dimension ?? 0,
      maxTokens: model?.maxTokens ?? 0,
      role: roleOf(slot.id),
      traffic: slot.id === options.stable ? 1 : 0,
      health: slot.fault !== null ? 'FAILED' : slot.collection === null ? 'LOADING' : 'READY',
      sunsetAt: null,
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
      : { version: describe(slot), embedder: slot.model.embedder, collection: slot.collection };

  return {
    versions: () => [...slots.values()].map(describe),
    resolve: (reference) => {
      const alias = reference === null || reference === undefined ? 'stable' : ALIASES[reference];
      const id = alias === undefined ? reference : options[alias];
      const slot = slots.get(id ?? '');
      if (slot === undefined) {
        throw new KindredError(
          'MODEL_VERSION_NOT_FOUND',
          `expected modelVersion to be one of ${options.versions.join(', ')}, stable or candidate`,
        );
      }
      const served = serve(slot);
      if (served === null) {
        throw new KindredError('MODEL_VERSION_UNAVAILABLE', `model version ${slot.id} can't answer now`, {
          retryAfterMs: retryMs,
        });
      }
      return served;
    },
    served: () => [...slots.values()].map(serve).filter((model) => model !== null),
    ready: () =>
      [...slots.values()].every(
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
    close: async () => {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      for (const { model } of slots.values()) await model?.embedder.close();
    },
  };
}

/**
 * The collection of a version. Its name holds the digests of model and schema: vectors of two models never meet, and a catalogue with other
 * fields or another template fills a collection of its own while the old one stays.
 */
function collectionSpec(catalogue: Catalogue, id: string, { model }: Embedder): CollectionSpec {
  const digests = `${model.digest.slice(0, 12)}_${schemaDigest(catalogue).slice(0, 8)}`;
  return {
    name: `${collectionPrefix(catalogue, id)}${digests}`,
    dimension: model.dimension,
    fields: indexedFields(catalogue).map(({ name, type }) => ({ name, type })),
    text: searchedFields(catalogue).map(({ name }) => name),
    version: id,
  };
}

/** What the names of all collections of a version begin with. */
function collectionPrefix({ entity }: Catalogue, id: string): string {
  return `${entity.toLowerCase()}__${id.replace(/[^A-Za-z0-9]/g, '_')}__`;
}
