/**
 * Index factory strings (https://github.com/facebookresearch/faiss/wiki/The-index-factory) that keep cosines: flat, HNSW, and IVF over full, 8-bit
 * or product-quantised vectors.
 */
export const FAISS_FACTORY = /^(Flat|HNSW[1-9]\d{0,2}|IVF[1-9]\d{0,5},(Flat|SQ8|PQ[1-9]\d{0,2}))$/;

export interface FaissOptions {
  /** Folder of the indexes, a folder a collection; made on first use. */
  readonly folder: string;
  /** Name or path of the package faiss-node. */
  readonly package: string;
  /** See {@link FAISS_FACTORY}. */
  readonly factory: string;
  /** Lists of an IVF index that a search reads. */
  readonly probes: number;
  /** Vectors that a search looks at, at least; `efSearch` of HNSW. */
  readonly candidates: number;
  /** Candidates that a search with a filter takes from the index at most; where more would be needed, it goes to the records themselves. */
  readonly maxCandidates: number;
  /** How soon searches see what another process wrote, in ms. */
  readonly refreshMs: number;
}

/** Points that a centroid of an IVF index is trained from, at least: FAISS' `min_points_per_centroid`. */
const POINTS_PER_CENTROID = 39;

/** Centroids of each part of a product-quantised vector: 8 bits. */
const PQ_CENTROIDS = 256;

/** Lists of the index; undefined where it has none and is not trained. */
export function listsOf(factory: string): number | undefined {
  const lists = /^IVF(\d+)/.exec(factory)?.[1];
  return lists === undefined ? undefined : Number(lists);
}

/** Rows from which the index can be built. */
export function rowsToBuild(factory: string): number {
  const centroids = Math.max(listsOf(factory) ?? 0, factory.includes(',PQ') ? PQ_CENTROIDS : 0);
  return Math.max(1, POINTS_PER_CENTROID * centroids);
}

/** Whether the index holds rounded vectors, so that hits have to be scored again by their full ones. */
export function isQuantised(factory: string): boolean {
  return /,(SQ|PQ)/.test(factory);
}
