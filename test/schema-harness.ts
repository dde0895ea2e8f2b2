import { type ExecutionResult, type GraphQLSchema, graphql } from 'graphql';
import pino from 'pino';
import { createLoaders } from '../loaders/index.js';
import type { RequestContext } from '../resolvers/context.js';
import { createSchema } from '../schema/index.js';
import type { Catalogue, CatalogueField, FieldType, FieldUse } from '../src/catalogue/catalogue.js';
import type { EmbedOptions, Embedder } from '../src/embedding/embedder.js';
import { createImageReader } from '../src/embedding/image/source.js';
import { KindredError } from '../src/errors.js';
import type { Item } from '../src/catalogue/item.js';
import { type Config, loadConfig } from '../src/config.js';
import type { ModelRegistry } from '../src/models/model-version.js';
import { createRegistry } from '../src/models/registry.js';
import { type Choice, modelsOf } from '../src/rollout/traffic.js';
import { createPaging } from '../src/search/paging.js';
import { createRecommend } from '../src/search/recommend.js';
import { createSearch } from '../src/search/search.js';
import { noTelemetry } from '../src/telemetry.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import type { Collection, VectorStore } from '../src/vectors/store.js';
import { createFakeEmbedder } from './fake-embedder.js';
import { projecting } from './projecting-store.js';

/** What signs the cursors of a harness. */
export const SECRET = 'a secret of these tests';

function field(
  name: string,
  type: FieldType,
  uses: readonly FieldUse[] = ['filter'],
  description = '',
): CatalogueField {
  return { name, type, uses, from: name, required: false, description };
}

/** What no query asks for. */
const NO_ROLLOUT = {} as Pick<RequestContext, 'rollout' | 'jobs' | 'background' | 'upgrade'>;

/** A catalogue with a field of every type. */
export const catalogue: Catalogue = {
  entity: 'Product',
  description: 'A product.',
  key: 'id',
  fields: [
    field('title', 'string', ['search'], 'What it is called.'),
    field('brand', 'string'),
    field('price', 'float'),
    field('stock', 'int'),
    field('tags', 'strings'),
    field('released', 'datetime'),
    field('inStock', 'boolean'),
    field('extra', 'json', []),
  ],
  template: '{title}',
  vectors: {},
};

/** `count` items, each with a title of its own. */
export function makeItems(count: number): Item[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `p${String(index).padStart(3, '0')}`,
    fields: {
      title: `thing ${index} kind${index % 7}`,
      brand: index % 2 === 0 ? 'Even' : 'Odd',
      price: index + 0.5,
      stock: index * 2 ** 33,
      tags: index % 3 === 0 ? ['three', `n${index}`] : [],
      released: new Date(Date.UTC(2020, 0, 1 + index)).toISOString(),
      inStock: index % 4 !== 0,
      extra: { rank: index },
    },
  }));
}

/** One call that a collection got. */
export interface StoreCall {
  readonly method: string;
  readonly args: readonly unknown[];
}

/** One call that an embedder got. */
export interface EmbedCall {
  readonly texts: readonly string[];
  readonly options: EmbedOptions;
}

export interface RecordedEmbedder extends Embedder {
  readonly calls: EmbedCall[];
}

export interface Harness {
  readonly schema: GraphQLSchema;
  readonly registry: ModelRegistry;
  readonly store: VectorStore;
  readonly config: Config;
  /** Calls of all collections, but for those that filled them. */
  readonly calls: StoreCall[];
  readonly embedders: Record<'v1' | 'v2', RecordedEmbedder>;
  /** How often a method of a collection was called. */
  count(method: string): number;
  makeContext(signal?: AbortSignal): RequestContext;
  run(
    source: string,
    variableValues?: Record<string, unknown>,
    contextValue?: RequestContext,
  ): Promise<ExecutionResult>;
}

export interface HarnessOptions {
  readonly items?: readonly Item[];
  readonly flags?: Record<string, string>;
  /** By default one in memory that gives what it is asked for alone. */
  readonly store?: VectorStore;
  /** The error of a text, if it should have one. */
  readonly failing?: (text: string) => KindredError | undefined;
  /** What the traffic policy chooses for requests that name no version; by default the stable one. */
  readonly choice?: Choice;
}

/** A gateway without HTTP over fake models `v1` (8 dimensions) and `v2` (16, stable), filled with `items`. */
export async function createHarness({
  items = makeItems(30),
  flags = {},
  store = projecting(createMemoryStore()),
  failing = () => undefined,
  choice = { version: 'stable', named: false },
}: HarnessOptions = {}): Promise<Harness> {
  const config = loadConfig({ env: {}, flags });
  const calls: StoreCall[] = [];
  const embedders: Record<'v1' | 'v2', RecordedEmbedder> = {
    v1: recordedEmbedder(createFakeEmbedder({ id: 'v1', dimension: 8 }), failing),
    v2: recordedEmbedder(createFakeEmbedder({ id: 'v2', dimension: 16 }), failing),
  };
  const registry = await createRegistry({
    ...config.models,
    catalogueOf: () => catalogue,
    store,
    load: (id) => Promise.resolve({ name: `Fake ${id}`, embedder: embedders[id as 'v1' | 'v2'] }),
    wrap: (collection) => recording(collection, calls),
    log: pino({ level: 'silent' }),
  });
  for (const { version, collection } of registry.served())
    await fill(collection, embedders[version.id as 'v1' | 'v2'], items);
  calls.length = 0;
  for (const { calls: embedded } of Object.values(embedders)) embedded.length = 0;

  const paging = createPaging({ config, cursorSecret: SECRET });
  const { limits } = config;
  const search = createSearch({ paging, limits, fusion: config.search.fusion });
  const recommend = createRecommend({ paging, limits });
  const schema = await createSchema({ catalogue, admin: false });
  const images = createImageReader({ limits: config.images });
  const makeContext = (signal = new AbortController().signal): RequestContext => {
    const deadline = performance.now() + 60_000;
    const models = modelsOf(registry, () => choice);
    const loaders = createLoaders({
      models,
      images,
      telemetry: noTelemetry(),
      capabilities: store.capabilities,
      signal,
      deadline,
    });
    return {
      requestId: 'test',
      admin: 'none' as const,
      subject: choice.named ? { override: choice.version } : {},
      signal,
      deadline,
      loaders,
      search,
      recommend,
      models,
      ...NO_ROLLOUT,
      limits,
      log: pino({ level: 'silent' }),
    };
  };
  return {
    schema,
    registry,
    store,
    config,
    calls,
    embedders,
    count: (method) => calls.filter((call) => call.method === method).length,
    makeContext,
    run: (source, variableValues, contextValue = makeContext()) =>
      graphql({ schema, source, variableValues, contextValue }),
  };
}

/** The KindredError behind the first error of a result. */
export function faultOf({ errors }: ExecutionResult): Partial<KindredError> {
  let error: unknown = errors?.[0];
  while (error instanceof Error && !(error instanceof KindredError) && 'originalError' in error)
    error = error.originalError;
  return error instanceof KindredError
    ? { code: error.code, reason: error.reason }
    : { message: String(error) };
}

async function fill(collection: Collection, embedder: Embedder, items: readonly Item[]): Promise<void> {
  const outcomes = await embedder.embed(
    items.map((item) => item.fields.title as string),
    { purpose: 'document' },
  );
  await collection.upsert(
    items.map((item, index) => {
      const outcome = outcomes[index];
      if (outcome === undefined || outcome instanceof Error) throw new Error('no vector');
      return { item, vector: outcome.vector, hash: item.id };
    }),
  );
}

function recordedEmbedder(
  embedder: Embedder,
  failing: (text: string) => KindredError | undefined,
): RecordedEmbedder {
  const calls: EmbedCall[] = [];
  return {
    ...embedder,
    calls,
    embed: async (texts, options) => {
      calls.push({ texts, options });
      const outcomes = await embedder.embed(texts, options);
      return outcomes.map((outcome, index) => failing(texts[index]!) ?? outcome);
    },
  };
}

function recording(collection: Collection, calls: StoreCall[]): Collection {
  return new Proxy(collection, {
    get: (target, method: keyof Collection) => {
      const member: unknown = Reflect.get(target, method);
      if (typeof member !== 'function') return member;
      const work = member.bind(target) as (...args: unknown[]) => unknown;
      return (...args: unknown[]): unknown => {
        calls.push({ method, args });
        return work(...args);
      };
    },
  });
}
