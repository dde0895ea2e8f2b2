import type { LanceDbCollection } from './lancedb-collection.js';
import type { FaissEntry, FaissFiles, FaissManifest } from './faiss-files.js';
import type { FaissHits } from './faiss-messages.js';
import { type FaissOptions, isQuantised, listsOf, rowsToBuild } from './faiss-options.js';
import { type FaissThread, startFaissThread } from './faiss-thread.js';
import { clampCosine, compareHits } from './records.js';
import type { CollectionStatus, Hit, VectorRecord } from './store.js';
import { createTurns } from './turns.js';

/** Rows whose vectors are moved at once. */
const BATCH = 2_000;
/** Vectors that a centroid is trained from: more gains little. */
const TRAINED_PER_LIST = 64;
/** Share of an index's vectors that have gone, from which it is built anew. */
const DEAD_SHARE = 0.2;
/** Candidates for each hit that are scored again where the index holds rounded vectors. */
const REFINE = 4;

/** Tries of a search whose thread ended under it. */
const TRIES = 2;

/** Where an item's vector is, and what it was made from. */
interface Entry {
  readonly position: number;
  readonly hash: string;
}

/** An index that is loaded, and the vectors that came since. Positions never change their meaning, so answers under way stay right. */
interface Loaded {
  readonly thread: FaissThread;
  /** The id at each position. */
  readonly ids: string[];
  readonly entries: Map<string, Entry>;
  /** Vectors of the index file; those behind came later. */
  readonly indexed: number;
  readonly manifest: FaissManifest | undefined;
  readonly stamp: number;
  /** Version of the table whose rows these are; undefined where another process may have written meanwhile. */
  version: number | undefined;
}

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
  const inTurn = createTurns();
  let loading: Promise<Loaded> | undefined;
  let checked = 0;
  let checking: Promise<void> | undefined;

  /** The loaded index; loads it where nothing is, or where its thread has ended. */
  const loaded = async (): Promise<Loaded> => {
    const current = await loading?.catch(() => undefined);
    if (current !== undefined && !current.thread.gone) return current;
    const anew = load();
    loading = anew;
    anew.catch(() => {
      if (loading === anew) loading = undefined;
    });
    return anew;
  };

  const load = async (): Promise<Loaded> => {
    const thread = startFaissThread(options);
    try {
      const stamp = await files.stamp();
      const manifest = await files.manifest();
      const usable = manifest?.factory === options.factory && manifest.dimension === dimension;
      const state =
        (usable ? await loadGeneration(thread, manifest, stamp) : undefined) ??
        (await loadNothing(thread, stamp));
      await catchUp(state);
      return state;
    } catch (error) {
      await thread.close();
      throw error;
    }
  };

  const { factory, probes } = options;

  const loadGeneration = async (
    thread: FaissThread,
    manifest: FaissManifest,
    stamp: number,
  ): Promise<Loaded | undefined> => {
    try {
      const stored = await files.entries(manifest.generation);
      if (stored.length !== manifest.rows) return undefined;
      const file = files.indexFile(manifest.generation);
      await thread.ask({ type: 'load', dimension, factory, file, probes });
      const ids = stored.map((entry) => entry?.[0] ?? '');
      const entries = new Map<string, Entry>();
      const dead: number[] = [];
      for (const [position, entry] of stored.entries())
        if (entry === null) dead.push(position);
        else entries.set(entry[0], { position, hash: entry[1] });
      await thread.ask({ type: 'put', vectors: new Float32Array(0), dead });
      return { thread, ids, entries, indexed: stored.length, manifest, stamp, version: undefined };
    } catch (error) {
      if (thread.gone) throw error;
      // Its files are gone or damaged: the records have everything.
      return undefined;
    }
  };

  const loadNothing = async (thread: FaissThread, stamp: number): Promise<Loaded> => {
    await thread.ask({ type: 'load', dimension, factory, file: undefined, probes });
    return {
      thread,
      ids: [],
      entries: new Map(),
      indexed: 0,
      manifest: undefined,
      stamp,
      version: undefined,
    };
  };

  /** Takes over what the table has and the index has not: after a start, a kill, or writes of another process. */
  const catchUp = async (state: Loaded): Promise<void> => {
    const version = await table.version();
    if (version === state.version) return;
    const there = await table.entries();
    const gone = [...state.entries.keys()].filter((id) => !there.has(id));
    put(state, [], gone);
    const changed = [...there].filter(([id, hash]) => state.entries.get(id)?.hash !== hash);
    for (let from = 0; from < changed.length; from += BATCH) {
      const part = changed.slice(from, from + BATCH);
      const vectors = await table.vectors(part.map(([id]) => id));
      put(
        state,
        part.flatMap(([id, hash], at) => {
          const vector = vectors[at];
          return vector === null || vector === undefined ? [] : [{ id, hash, vector }];
        }),
        [],
      );
    }
    state.version = version;
  };

  /** Puts vectors behind the others and takes out what they replace. Messages arrive in order, so nothing has to be waited for. */
  const put = (
    state: Loaded,
    rows: readonly { readonly id: string; readonly hash: string; readonly vector: Float32Array }[],
    removed: readonly string[],
  ): void => {
    const dead = [...removed, ...rows.map(({ id }) => id)].flatMap((id) => {
      const entry = state.entries.get(id);
      state.entries.delete(id);
      return entry === undefined ? [] : [entry.position];
    });
    if (rows.length === 0 && dead.length === 0) return;
    const vectors = new Float32Array(rows.length * dimension);
    for (const [row, { id, hash, vector }] of rows.entries()) {
      vectors.set(unit(vector), row * dimension);
      state.entries.set(id, { position: state.ids.length, hash });
      state.ids.push(id);
    }
    // When the thread has ended, the next search loads everything anew.
    state.thread.ask({ type: 'put', vectors, dead }, [vectors.buffer]).catch(() => undefined);
  };

  /** Looks, now and then and beside the searches, whether another process has written records or an index. */
  const lookAround = (state: Loaded): void => {
    if (checking !== undefined || performance.now() - checked < options.refreshMs) return;
    checking = inTurn(async () => {
      if ((await files.stamp()) !== state.stamp) await reload();
      else await catchUp(state);
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
    const anew = await load();
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

  /** Builds in a thread of its own, so that searches go on, from the vectors in the table. */
  const build = async (state: Loaded): Promise<void> => {
    const { manifest, indexed, entries } = state;
    const live = [...entries];
    const later = live.filter(([, { position }]) => position >= indexed);
    const kept = live.length - later.length;
    const grows = manifest !== undefined && indexed - kept <= indexed * DEAD_SHARE;
    if (grows && later.length === 0) return;
    const added = grows ? later : live;
    const before: FaissEntry[] = grows
      ? state.ids.slice(0, indexed).map((id, position): FaissEntry => {
          const entry = entries.get(id);
          return entry?.position === position ? [id, entry.hash] : null;
        })
      : [];
    const thread = startFaissThread(options);
    try {
      const file = grows ? files.indexFile(manifest.generation) : undefined;
      await thread.ask({ type: 'begin', dimension, factory, file });
      const lists = listsOf(factory);
      if (!grows && lists !== undefined) {
        const sample = evenly(
          live.map(([id]) => id),
          lists * TRAINED_PER_LIST,
        );
        await thread.ask({ type: 'train', vectors: joined(await table.vectors(sample), dimension) });
      }
      const written: FaissEntry[] = [...before];
      for (let from = 0; from < added.length; from += BATCH) {
        const part = added.slice(from, from + BATCH);
        const vectors = await table.vectors(part.map(([id]) => id));
        const there = part.filter((_, at) => vectors[at] !== null);
        await thread.ask({ type: 'add', vectors: joined(vectors, dimension) });
        written.push(...there.map(([id, { hash }]): FaissEntry => [id, hash]));
      }
      await files.replace({ factory, dimension, rows: written.length }, written, async (to) => {
        await thread.ask({ type: 'write', file: to });
      });
    } finally {
      await thread.close();
    }
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
        put(
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
        const state = await loaded();
        await catchUp(state);
        if (state.entries.size < rowsToBuild(factory)) return;
        await build(state);
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

function unit(vector: Float32Array): Float32Array {
  const norm = Math.sqrt(dot(vector, vector));
  return vector.map((x) => x / norm);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}

/** Vectors one after another, of unit length; those that are missing are left out. */
function joined(vectors: readonly (Float32Array | null)[], dimension: number): Float32Array<ArrayBuffer> {
  const there = vectors.filter((vector) => vector !== null);
  const all = new Float32Array(there.length * dimension);
  for (const [row, vector] of there.entries()) all.set(unit(vector), row * dimension);
  return all;
}

/** At most `count` members, spread over all of them. */
function evenly<T>(members: readonly T[], count: number): T[] {
  const step = Math.max(1, members.length / count);
  const picked: T[] = [];
  for (let at = 0; at < members.length; at += step) {
    const member = members[Math.floor(at)];
    if (member !== undefined) picked.push(member);
  }
  return picked;
}
