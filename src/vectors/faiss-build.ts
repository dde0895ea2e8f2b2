import type { FaissEntry, FaissFiles } from './faiss-files.js';
import { type FaissOptions, listsOf } from './faiss-options.js';
import type { Loaded } from './faiss-state.js';
import { startFaissThread } from './faiss-thread.js';
import type { LanceDbCollection } from './lancedb-collection.js';
import { joined } from './unit-vectors.js';

/** Rows whose vectors are moved at once. */
const BATCH = 2_000;
/** Vectors that a centroid is trained from: more gains little. */
const TRAINED_PER_LIST = 64;
/** Share of an index's vectors that have gone, from which it is built anew. */
const DEAD_SHARE = 0.2;

/** Writes a new generation of the index, in a thread of its own, so that searches go on: the last one and what came later, or all vectors of the table anew. */
export async function buildIndex(
  state: Loaded,
  table: LanceDbCollection,
  files: FaissFiles,
  options: FaissOptions,
): Promise<void> {
  const { factory } = options;
  const { dimension } = table.spec;
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
