import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { onTestFinished } from 'vitest';
import { combineCatalogues } from '../src/catalogue/by-version.js';
import type { Catalogue } from '../src/catalogue/catalogue.js';
import type { Item } from '../src/catalogue/item.js';
import { type Config, loadConfig } from '../src/config.js';
import type { Embedder } from '../src/embedding/embedder.js';
import type { ModelRegistry } from '../src/models/model-version.js';
import { createRegistry } from '../src/models/registry.js';
import { expectedOf } from '../src/rollout/expected.js';
import { type Jobs, createJobs } from '../src/rollout/jobs.js';
import { createMemoryState } from '../src/rollout/memory-state.js';
import { openReplica } from '../src/rollout/replica.js';
import { type Rollout, createRollout } from '../src/rollout/rollout.js';
import { type Actor, type VersionRecord, firstState, recordOf } from '../src/rollout/state.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import type { Collection, VectorStore } from '../src/vectors/store.js';
import { createFakeEmbedder } from './fake-embedder.js';

export const actor: Actor = { who: 'a test', why: 'to see' };

/** A catalogue of titles and prices; the title is what models read. */
export const catalogue: Catalogue = {
  entity: 'Product',
  description: 'A product.',
  key: 'id',
  template: '{title}',
  vectors: {},
  fields: [
    { name: 'title', type: 'string', uses: ['search'], from: 'title', required: true, description: '' },
    { name: 'price', type: 'float', uses: ['filter'], from: 'price', required: false, description: '' },
  ],
};

/** `count` items, each with a title of its own. */
export function makeItems(count: number): Item[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `p${String(index).padStart(4, '0')}`,
    fields: { title: `thing number ${String(index)} of kind ${String(index % 17)}`, price: index },
  }));
}

/** A model called v2 whose vectors have nothing to do with the texts. */
export function shuffledEmbedder(): Embedder {
  const embedder = createFakeEmbedder({ id: 'v2', dimension: 16 });
  let draws = 0;
  return {
    ...embedder,
    embed: (texts, options) =>
      embedder.embed(
        texts.map(() => `draw${String((draws += 1))}`),
        options,
      ),
  };
}

export interface RolloutHarness {
  readonly registry: ModelRegistry;
  readonly rollout: Rollout;
  readonly jobs: Jobs;
  readonly store: VectorStore;
  readonly config: Config;
  readonly signal: AbortSignal;
  readonly abort: () => void;
  readonly state: (id: string) => VersionRecord;
  readonly collection: (id: string) => Collection;
  /** Embeds and writes items into a version, as an import does. */
  readonly fill: (id: string, items: readonly Item[]) => Promise<void>;
}

/** Versions `v1` (stable), `v2` and, once it is asked for, `v3`, over stores and models in memory. */
export async function createRolloutHarness({
  items = makeItems(60),
  embedders = {},
  catalogues = {},
  flags = {},
  store = createMemoryStore(),
  wrap,
}: {
  readonly items?: readonly Item[];
  readonly embedders?: Readonly<Record<string, Embedder>>;
  /** Catalogues of single versions. */
  readonly catalogues?: Readonly<Record<string, Catalogue>>;
  readonly flags?: Record<string, string>;
  readonly store?: VectorStore;
  readonly wrap?: (collection: Collection) => Collection;
} = {}): Promise<RolloutHarness> {
  const data = mkdtempSync(join(tmpdir(), 'kindred-rollout-'));
  onTestFinished(() => {
    rmSync(data, { recursive: true, force: true });
  });
  const config = loadConfig({
    env: {},
    flags: { data, 'models.stable': 'v1', 'rollout.backfill.maxShare': '1', ...flags },
  });
  const models: Readonly<Record<string, Embedder>> = {
    v1: createFakeEmbedder({ id: 'v1', dimension: 8 }),
    v2: createFakeEmbedder({ id: 'v2', dimension: 16 }),
    v3: createFakeEmbedder({ id: 'v3', dimension: 24 }),
    ...embedders,
  };
  const { of: catalogueOf } = combineCatalogues(catalogue, catalogues, config.models.templates);
  let registry: ModelRegistry | undefined;
  const replica = await openReplica({
    store: createMemoryState(),
    first: firstState(config.models),
    pollMs: 0,
    onState: () => registry?.sync(),
  });
  const load = (id: string): Promise<{ name: string; embedder: Embedder }> => {
    const embedder = models[id];
    return embedder === undefined
      ? Promise.reject(new Error(`there is no bundle named ${id}`))
      : Promise.resolve({ name: id, embedder });
  };
  const made = (registry = await createRegistry({
    ...config.models,
    rollout: () => replica.state,
    catalogueOf,
    store,
    load,
    wrap,
    log: pino({ level: 'silent' }),
  }));
  const rollout = createRollout({
    replica,
    config: config.rollout,
    digestOf: (id) => made.versions().find((version) => version.id === id)?.digest ?? '',
  });
  const jobs = createJobs({
    rollout,
    registry: made,
    config,
    check: load,
    share: () => config.rollout.backfill.maxShare,
    maxTexts: 64,
  });
  const collection = (id: string): Collection => {
    const served = made.served().find(({ version }) => version.id === id);
    if (served === undefined) throw new Error(`${id} does not serve`);
    return served.collection;
  };
  const fill: RolloutHarness['fill'] = async (id, more) => {
    const wanted = more.map((item) => expectedOf(catalogue, item));
    const outcomes = await models[id]!.embed(
      wanted.map(({ text }) => text),
      { purpose: 'document' },
    );
    await collection(id).upsert(
      wanted.map(({ item, hash }, at) => {
        const outcome = outcomes[at];
        if (outcome === undefined || outcome instanceof Error) throw new Error('no vector');
        return { item, hash, vector: outcome.vector };
      }),
    );
  };
  await fill('v1', items);
  const controller = new AbortController();
  return {
    registry: made,
    rollout,
    jobs,
    store,
    config,
    collection,
    fill,
    signal: controller.signal,
    abort: () => controller.abort(),
    state: (id) => recordOf(replica.state, id),
  };
}
