import type { FaissFiles, FaissManifest } from './faiss-files.js';
import type { FaissOptions } from './faiss-options.js';
import { type FaissThread, startFaissThread } from './faiss-thread.js';
import type { LanceDbCollection } from './lancedb-collection.js';
import { unit } from './unit-vectors.js';

/** Rows whose vectors are moved at once. */
const BATCH = 2_000;

/** Where an item's vector is, and what it was made from. */
interface Entry {
  readonly position: number;
  readonly hash: string;
}

/** An index that is loaded, and the vectors that came since. Positions never change their meaning, so answers under way stay right. */
export interface Loaded {
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

/** A row as the index takes it over. */
interface IndexedRow {
  readonly id: string;
  readonly hash: string;
  readonly vector: Float32Array;
}

/** Makes what is loaded agree with the table. */
export interface FaissLoader {
  /** Loads the current generation, or none where there is none that fits, in a thread of its own, and catches up. */
  load(): Promise<Loaded>;
  /** Takes over what the table has and the index has not: after a start, a kill, or writes of another process. */
  catchUp(state: Loaded): Promise<void>;
  /** Puts vectors behind the others and takes out what they replace. Messages arrive in order, so nothing has to be waited for. */
  put(state: Loaded, rows: readonly IndexedRow[], removed: readonly string[]): void;
}

/** Makes a loader of `table`'s index in `files`. */
export function createFaissLoader(
  table: LanceDbCollection,
  files: FaissFiles,
  options: FaissOptions,
): FaissLoader {
  const { dimension } = table.spec;
  const { factory, probes } = options;

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

  const put = (state: Loaded, rows: readonly IndexedRow[], removed: readonly string[]): void => {
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

  return { load, catchUp, put };
}
