import type { Logger } from 'pino';
import { createLoaders } from '../loaders/index.js';
import type { RequestContext } from '../resolvers/context.js';
import { createSchema } from '../schema/index.js';
import { openCache } from './cache/open.js';
import type { EmbeddingCache } from './cache/tiers.js';
import type { Catalogue } from './catalogue/catalogue.js';
import { loadCatalogues } from './catalogue/by-version.js';
import type { Config } from './config.js';
import { cursorKey } from './cursor-key.js';
import { type FetchImage, createImageFetch } from './embedding/image/fetch.js';
import { createImageReader } from './embedding/image/source.js';
import type { Tuning } from './embedding/onnx/calibration.js';
import { createOnnxPool } from './embedding/onnx/pool.js';
import { createApqStore } from './http/apq.js';
import type { Readiness } from './http/health.js';
import { createLogger } from './log.js';
import type { ModelRegistry } from './models/model-version.js';
import { type BundleSource, checkModel, openBundles } from './models/bundle-source.js';
import { loadAside, loadModel } from './models/load.js';
import { createRegistry } from './models/registry.js';
import { createBackground } from './rollout/background.js';
import { type Jobs, createJobs } from './rollout/jobs.js';
import { checkCanaries, openRolloutReplica } from './rollout/open.js';
import { shareBesideOthers } from './rollout/other-load.js';
import type { Replica } from './rollout/replica.js';
import { type Rollout, createRollout } from './rollout/rollout.js';
import { candidateOf, stableOf } from './rollout/state.js';
import { upgrade } from './rollout/upgrade.js';
import { type RequestModels, modelsOf } from './rollout/traffic.js';
import { type Paging, type ResultPage, createPaging } from './search/paging.js';
import { createRecommend } from './search/recommend.js';
import { type Search, type SearchRequest, createSearch } from './search/search.js';
import { createServer } from './server.js';
import { nativeSignal } from './stop.js';
import { type MetricsHandler, startTelemetry } from './telemetry-sdk.js';
import type { Telemetry } from './telemetry.js';
import { coalesced } from './vectors/coalesced.js';
import { remembered } from './vectors/remembered.js';
import { openStore } from './open-store.js';
import { type Overload, createOverload } from './overload.js';
import { pointAlias, pointAliases } from './role-aliases.js';
import { openTrial } from './trial.js';
import type { VectorStore } from './vectors/store.js';

export { openStore } from './open-store.js';

/** Everything below HTTP: what `import`, `search` and `models` need, and what a gateway stands on. */
export interface Domain {
  readonly config: Config;
  /** What GraphQL is made from. */
  readonly catalogue: Catalogue;
  /** What imports read. */
  readonly itemCatalogue: Catalogue;
  readonly store: VectorStore;
  readonly bundles: BundleSource;
  readonly registry: ModelRegistry;
  /** The steps between versions, on the state that all replicas share. */
  readonly rollout: Rollout;
  /** The long ones of these steps. */
  readonly jobs: Jobs;
  /** How the batches of each local model are made, by version. */
  readonly tunings: ReadonlyMap<string, Tuning>;
  /** Shared by all models; undefined when caching is off. */
  readonly cache: EmbeddingCache | undefined;
  readonly telemetry: Telemetry;
  /** What the gateway tells the queues of models. */
  readonly overload: Overload;
  readonly metricsHandler: MetricsHandler | undefined;
  readonly log: Logger;
  close(): Promise<void>;
}

/** Texts that the backfill of a command has at the embedder at once: enough for full batches. */
const COMMAND_TEXTS = 256;

/** A gateway that listens. */
export interface Gateway {
  readonly url: string;
  /** Finishes the requests in flight, then stops listening. The domain stays open. */
  close(): Promise<void>;
}

/**
 * Opens catalogue, store, workers and models. Resolves once every model version has been tried; one that fails is refused in the
 * registry while the others serve. Logs go to file descriptor `logTo`: 1 for a server, 2 for commands that answer on standard output.
 */
export async function openDomain(config: Config, { logTo = 2 }: { logTo?: 1 | 2 } = {}): Promise<Domain> {
  const catalogues = loadCatalogues(config);
  const catalogue = catalogues.main;
  // A command's answer is what it prints; a server's is its log.
  const serves = logTo === 1;
  const quiet = !serves && config.log.level === 'info';
  const log = createLogger(quiet ? { ...config.log, level: 'warn' } : config.log, logTo);
  const running = startTelemetry(config, process.env);
  const { telemetry, metricsHandler } = running;
  const store = openStore(config, log);
  const bundles = openBundles(config);
  const cache = openCache({ config: config.cache, telemetry, log });
  const overload = createOverload();
  const tunings = new Map<string, Tuning>();
  const pool = createOnnxPool({
    config: config.embedding,
    telemetry,
    onFault: (reason) => log.error({ reason }, 'embedding worker lost'),
    onTuned: (model, tuning) => {
      tunings.set(model, tuning);
      log.info({ version: model, ...tuning }, 'batch limits chosen');
    },
  });
  let registry: ModelRegistry | undefined;
  const replica: Replica = await openRolloutReplica({
    config,
    log,
    follows: serves,
    onState: (state, before) => {
      registry?.sync();
      const moved = stableOf(state) !== stableOf(before) || candidateOf(state) !== candidateOf(before);
      if (serves && moved) void pointAliases(registry?.served() ?? [], { catalogue, replica, store, log });
    },
  });
  const loaded = (registry = await createRegistry({
    ...config.models,
    rollout: () => replica.state,
    graceMs: config.server.shutdownGraceMs,
    catalogueOf: catalogues.of,
    store,
    load: (id) => loadModel(id, { bundles, cache, config, overload, pool, telemetry }),
    prove: (id, embedder) => checkCanaries(id, embedder, config),
    proveMs: config.rollout.canaries.everyMs,
    wrap: (collection) =>
      remembered(
        coalesced(collection, telemetry, store, mergesSearches(store, config) ? undefined : Infinity),
        {
          maxItems: config.store.cachedItems,
          ttlMs: config.store.refreshMs,
        },
      ),
    onServed: serves
      ? (id, collection) => pointAlias(id, collection, { catalogue, replica, store })
      : undefined,
    log,
  }));
  const rollout = createRollout({
    replica,
    config: config.rollout,
    digestOf: (id) => loaded.versions().find((version) => version.id === id)?.digest ?? '',
  });
  const { maxShare, maxTexts } = config.rollout.backfill;
  const jobs = createJobs({
    rollout,
    registry: loaded,
    config,
    check: (id) => checkModel(id, bundles),
    aside: ({ version, embedder }) => {
      const tuning = tunings.get(version.id);
      // A GPU knows no niceness, and another server is out of the way already.
      const onCores = tuning !== undefined && embedder.health().placement?.provider === 'cpu';
      return serves && onCores
        ? loadAside(version.id, tuning, { bundles, cache, config, telemetry })
        : Promise.resolve(undefined);
    },
    busy: isBusy(loaded, config),
    share: serves ? () => maxShare : shareBesideOthers(maxShare),
    // A command has no requests of its own.
    maxTexts: serves ? maxTexts : COMMAND_TEXTS,
  });
  return {
    config,
    catalogue,
    itemCatalogue: catalogues.items,
    store,
    bundles,
    registry: loaded,
    rollout,
    jobs,
    tunings,
    cache,
    telemetry,
    overload,
    metricsHandler,
    log,
    close: async () => {
      await replica.close();
      bundles.close();
      await loaded.close();
      await pool.close();
      await cache?.close();
      await store.close();
      await running.shutdown();
    },
  };
}

/** Whether searches of concurrent requests wait for each other to go in one call. */
function mergesSearches({ capabilities }: VectorStore, config: Config): boolean {
  return capabilities.merges && config.store.batchQueries > 1;
}

/** Whether requests wait for workers, as far as what has no right to them must know. */
function isBusy(registry: ModelRegistry, { rollout }: Config): () => boolean {
  return () =>
    registry.served().some(({ embedder }) => embedder.health().queued > rollout.backfill.maxQueueTexts);
}

/** What every search over a domain goes through. */
function createPagedSearch({ config }: Domain): { paging: Paging; search: Search } {
  const paging = createPaging({
    config,
    cursorSecret: cursorKey(config.search.cursorSecret, config.data),
  });
  return { paging, search: createSearch({ paging, limits: config.limits, fusion: config.search.fusion }) };
}

/** The versions for what is no user's request: without a name it is the stable one's. */
function stableModels({ registry }: Domain): RequestModels {
  return modelsOf(registry, () => ({ version: 'stable', named: true }));
}

/** Asks a domain as a gateway would, without one. */
export async function searchOnce(domain: Domain, request: SearchRequest): Promise<ResultPage> {
  const { config, store, telemetry } = domain;
  const loaders = createLoaders({
    models: stableModels(domain),
    images: createImageReader({ limits: config.images }),
    telemetry,
    capabilities: store.capabilities,
    signal: new AbortController().signal,
    deadline: performance.now() + config.server.deadlineMs,
  });
  return createPagedSearch(domain).search.page(request, loaders);
}

/** Puts GraphQL and HTTP before a domain and listens. */
export async function openGateway(domain: Domain): Promise<Gateway> {
  const { bundles, catalogue, config, jobs, log, metricsHandler, registry, rollout, store, telemetry } =
    domain;
  const background = createBackground({ rollout, log });
  const { paging, search } = createPagedSearch(domain);
  const images = createImageReader({ limits: config.images, fetch: imageFetch(config, telemetry) });
  const trial = openTrial({
    rollout,
    registry,
    config,
    telemetry,
    log,
    search,
    busy: isBusy(registry, config),
    recommend: createRecommend({ paging, limits: config.limits }),
    bundles,
    runShadow: (request, version) => {
      const signal = AbortSignal.timeout(config.server.deadlineMs);
      const deadline = performance.now() + config.server.deadlineMs;
      const loaders = createLoaders({
        models: stableModels(domain),
        images,
        telemetry,
        capabilities: store.capabilities,
        signal,
        deadline,
        lane: 'bulk',
      });
      return search.page({ ...request, modelVersion: version }, loaders);
    },
  });
  const server = await createServer({
    schema: await createSchema({ catalogue, admin: config.admin.token !== null }),
    makeContext: (request): RequestContext => {
      const models = trial.modelsFor(request.subject);
      const facts = { ...request, signal: nativeSignal(request.signal) };
      return {
        ...facts,
        loaders: createLoaders({ models, images, telemetry, capabilities: store.capabilities, ...facts }),
        search: trial.search,
        recommend: trial.recommend,
        models,
        rollout,
        jobs,
        background,
        upgrade: (id, options) => upgrade(id, { rollout, jobs, settings: config.rollout, ...options }),
        limits: config.limits,
      };
    },
    registry,
    config,
    telemetry,
    readiness: () => readiness(domain),
    apqStore: createApqStore(config.apq),
    log,
    overload: domain.overload,
    metricsHandler,
  });
  const { url } = await server.listen();
  return {
    url,
    close: async () => {
      await Promise.all([server.close(), background.close()]);
      trial.close();
    },
  };
}

function imageFetch({ images }: Config, telemetry: Telemetry): FetchImage | undefined {
  const { urls, maxBytes } = images;
  return urls.enabled ? createImageFetch({ ...urls, maxBytes, telemetry }) : undefined;
}

function readiness({ registry, rollout }: Domain): Readiness {
  const faults = registry.faults();
  const { cutOff } = rollout.replica;
  return {
    ready: registry.ready(),
    components: [
      ...registry.versions().map(({ id, health, executionProvider, degraded }) => ({
        name: `model ${id}`,
        ready: health === 'READY' && faults[id] === undefined,
        degradedTo: degraded ? (executionProvider ?? undefined) : undefined,
        reason: faults[id],
      })),
      {
        name: 'rollout state',
        ready: true,
        degradedTo: cutOff === undefined ? undefined : 'the last known one',
        reason: cutOff,
      },
    ],
  };
}
