import type { LanceDbCollection } from './lancedb-collection.js';
import { buildIndex } from './faiss-build.js';
import type { FaissFiles } from './faiss-files.js';
import type { FaissHits } from './faiss-messages.js';
import { type FaissOptions, isQuantised, rowsToBuild } from './faiss-options.js';
import { type Loaded, createFaissLoader } from './faiss-state.js';
import { clampCosine, compareHits } from './records.js';
import type { CollectionStatus, Hit, VectorRecord } from './store.js';
import { createTurns } from './turns.js';
import { dot, joined, unit } from './unit-vectors.js';

/** Candidates for each hit that are scored again where the index holds rounded vectors. */
const REFINE = 4;

/** Tries of a search whose thread ended under it. */
const TRIES = 2;

/** The neighbours of a collection whose records are in a table: the table is the truth, the index follows it. */
export interface FaissCollectionIndex {
  /**
   * The best `limit` of each of `queries`, ties by id, and how many a query could have: an index finds fewer where its graph does not lead to a vector (HNSW
   * among many equals) or where the lists that it reads hold no more (IVF).
   */
  search(
    queries: readonly Float32Array[],
    limit: number,
  ): Promise<{ readonly results: Hit[][]; readonly possible: number }>;
  /** Runs a write to the table, and has the index follow: `put` are records that it writes, `remove` ids that it deletes. */
  write<T>(
    work: () => Promise<T>,
    change: { readonly put?: readonly VectorRecord[]; readonly remove?: readonly string[] },
  ): Promise<T>;
  /** Builds the index file, or adds to it what came later. */
  optimize(): Promise<void>;
  status(): Promise<CollectionStatus>;
  close(): Promise<void>;
}

/** The index of `table` in `files`. */
export function createFaissIndex(
  table: LanceDbCollection,
  files: FaissFiles,
  options: FaissOptions,
): FaissCollectionIndex {
  const { dimension } = table.spec;
  const { factory } = options;
  const loader = createFaissLoader(table, files, options);
  const inTurn = createTurns();
  let loading: Promise<Loaded> | undefined;
  let checked = 0;
  let checking: Promise<void> | undefined;

  /** The loaded index; loads it where nothing is, or where its thread has ended. */
  const loaded = async (): Promise<Loaded> => {
    const current = await loading?.catch(() => undefined);
    if (current !== undefined && !current.thread.gone) return current;
    const anew = loader.load();
    loading = anew;
    anew.catch(() => {
      if (loading === anew) loading = undefined;
    });
    return anew;
  };

  /** Looks, now and then and beside the searches, whether another process has written records or an index. */
  const lookAround = (state: Loaded): void => {
    if (checking !== undefined || performance.now() - checked < options.refreshMs) return;
    checking = inTurn(async () => {
      if ((await files.stamp()) !== state.stamp) await reload();
      else await loader.catchUp(state);
    })
      .catch(() => undefined)
      .finally(() => {
        checked = performance.now();
        checking = undefined;
      });
  };

  /** Loads the current generation in a thread of its own and goes over to it; the old one answers until then. */
  const reload = async (): Promise<void> => {
    const old = await loading?.catch(() => undefined);
    const anew = await loader.load();
    loading = Promise.resolve(anew);
    await old?.thread.retire();
  };

  const rescored = async (hits: readonly Hit[], query: Float32Array): Promise<Hit[]> => {
    const vectors = await table.vectors(hits.map(({ id }) => id));
    return hits.flatMap(({ id }, at) => {
      const vector = vectors[at];
      return vector === null || vector === undefined
        ? []
        : [{ id, score: clampCosine(dot(unit(vector), query)) }];
    });
  };

  /** Asks the thread, and a new one where it has ended meanwhile. */
  const ask = async (
    queries: readonly Float32Array[],
    limit: number,
  ): Promise<{ readonly state: Loaded; readonly hits: FaissHits }> => {
    for (let tries = 1; ; tries += 1) {
      const state = await loaded();
      lookAround(state);
      try {
        const request = {
          type: 'search' as const,
          queries: joined(queries, dimension),
          limit,
          candidates: options.candidates,
        };
        const hits = await state.thread.ask(request);
        if (hits === undefined) throw new Error('expected hits of a search');
        return { state, hits };
      } catch (error) {
        if (!state.thread.gone || tries === TRIES) throw error;
      }
    }
  };

  return {
    search: async (queries, limit) => {
      const { state, hits } = await ask(queries, isQuantised(factory) ? limit * REFINE : limit);
      const possible = Math.min(limit, state.entries.size);
      let at = 0;
      const results = await Promise.all(
        hits.counts.map(async (count, query) => {
          const found: Hit[] = [];
          for (const end = at + count; at < end; at += 1)
            found.push({
              id: state.ids[hits.positions[at] ?? -1] ?? '',
              score: clampCosine(hits.scores[at] ?? NaN),
            });
          const scored = isQuantised(factory)
            ? await rescored(found, unit(queries[query] ?? new Float32Array()))
            : found;
          return scored.sort(compareHits).slice(0, limit);
        }),
      );
      return { results, possible };
    },
    write: (work, { put: records = [], remove = [] }) =>
      inTurn(async () => {
        const state = await loaded();
        const result = await work();
        loader.put(
          state,
          records.map(({ item, hash, vector }) => ({ id: item.id, hash, vector })),
          remove,
        );
        // A write is one version; if there are more, another process has written too.
        const version = await table.version();
        if (state.version !== undefined && version <= state.version + 1) state.version = version;
        return result;
      }),
    optimize: () =>
      inTurn(async () => {
        // Another process may have built, and removed the files that this one would add to.
        if ((await files.stamp()) !== (await loaded()).stamp) await reload();
        const state = await loaded();
        await loader.catchUp(state);
        if (state.entries.size < rowsToBuild(factory)) return;
        await buildIndex(state, table, files, options);
        if ((await files.stamp()) !== state.stamp) await reload();
      }),
    status: async () => {
      const { entries, indexed, ids } = await loaded();
      const unindexedRows = Math.max(0, ids.length - indexed);
      return {
        rows: entries.size,
        index: indexed === 0 ? 'NONE' : unindexedRows === 0 ? 'READY' : 'BUILDING',
        indexType: factory,
        unindexedRows: indexed === 0 ? 0 : unindexedRows,
      };
    },
    close: async () => {
      const state = await loading?.catch(() => undefined);
      loading = undefined;
      await checking;
      await state?.thread.close();
    },
  };
}
