import type { FaissHits } from './faiss-messages.js';
import type { FaissIndex } from './faiss-native.js';

/** Most vectors that a search asks the index for, to tell equals at the edge apart. */
const MAX_ASKED = 8_192;

/** The vectors of a collection: an index that never changes, those that came later, which are compared one by one, and which of both have gone. */
export interface Searcher {
  /** Puts vectors `[n][dimension]` behind the last position, and takes positions out. */
  put(vectors: Float32Array, dead: readonly number[]): void;
  /** The best `limit` of each of `queries` `[n][dimension]` by inner product, and those that equal the last. */
  search(queries: Float32Array, limit: number, candidates: number): FaissHits;
}

interface Found {
  readonly position: number;
  readonly score: number;
}

/** Makes a searcher; `index` may be missing. */
export function createSearcher(index: FaissIndex | undefined, dimension: number): Searcher {
  const indexed = index?.ntotal() ?? 0;
  const dead = new Set<number>();
  let later = new Float32Array(0);
  let count = 0;

  const ofIndex = (queries: Float32Array, limit: number, candidates: number): Found[][] => {
    const total = queries.length / dimension;
    if (index === undefined || indexed === 0) return Array.from({ length: total }, () => []);
    const numbers = Array.from(queries);
    // What has gone takes places, and equals at the edge have to be told apart by their ids.
    for (let asked = Math.max(candidates, limit + SPARE); ; asked *= 4) {
      const k = Math.min(asked, indexed, MAX_ASKED);
      const { distances, labels } = index.search(numbers, k);
      const results = Array.from({ length: total }, (_, query) => {
        const found: Found[] = [];
        for (let at = query * k; at < (query + 1) * k; at += 1) {
          const [position = -1, score = NaN] = [labels[at], distances[at]];
          if (position >= 0 && !dead.has(position)) found.push({ position, score });
        }
        return found;
      });
      if (k === indexed || k === MAX_ASKED || results.every((found) => reachesBeyond(found, limit)))
        return results;
    }
  };

  const ofLater = (query: Float32Array): Found[] => {
    const found: Found[] = [];
    for (let row = 0; row < count; row += 1) {
      const position = indexed + row;
      if (dead.has(position)) continue;
      let score = 0;
      const start = row * dimension;
      for (let at = 0; at < dimension; at += 1) score += (query[at] ?? 0) * (later[start + at] ?? 0);
      found.push({ position, score: Math.fround(score) });
    }
    return found;
  };

  return {
    put(vectors, gone) {
      const rows = vectors.length / dimension;
      if ((count + rows) * dimension > later.length) {
        const grown = new Float32Array(Math.max(count + rows, count * 2) * dimension);
        grown.set(later.subarray(0, count * dimension));
        later = grown;
      }
      later.set(vectors, count * dimension);
      count += rows;
      for (const position of gone) dead.add(position);
    },
    search(queries, limit, candidates) {
      const results = ofIndex(queries, limit, candidates).map((found, query) =>
        best([...found, ...ofLater(queries.subarray(query * dimension, (query + 1) * dimension))], limit),
      );
      const all = results.flat();
      return {
        counts: results.map(({ length }) => length),
        positions: Int32Array.from(all, ({ position }) => position),
        scores: Float32Array.from(all, ({ score }) => score),
      };
    },
  };
}

/** Hits asked for beyond the limit. */
const SPARE = 16;

/** Whether `found`, best first, has one that is farther than the last within the limit. */
function reachesBeyond(found: readonly Found[], limit: number): boolean {
  const [edge, last] = [found[limit - 1], found.at(-1)];
  return found.length > limit && edge !== undefined && last !== undefined && last.score < edge.score;
}

/** The best `limit`, and those that equal the last. */
function best(found: Found[], limit: number): Found[] {
  found.sort((a, b) => b.score - a.score);
  const edge = found[limit - 1]?.score;
  return edge === undefined ? found : found.filter(({ score }) => score >= edge);
}
