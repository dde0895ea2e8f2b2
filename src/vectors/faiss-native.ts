import { createRequire } from 'node:module';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** What is used of the package faiss-node 0.5.1, which is not among Kindred's own. Everything blocks its thread. */
export interface FaissIndex {
  ntotal(): number;
  getDimension(): number;
  isTrained(): boolean;
  train(vectors: number[]): void;
  add(vectors: number[]): void;
  /** Of all queries one after another; labels of what is missing are -1. */
  search(queries: number[], k: number): { readonly distances: number[]; readonly labels: number[] };
  write(file: string): void;
}

export interface FaissPackage {
  readonly Index: {
    fromFactory(dimension: number, factory: string, metric: number): FaissIndex;
    read(file: string): FaissIndex;
  };
}

/** `METRIC_INNER_PRODUCT`: the cosine of unit vectors. */
export const INNER_PRODUCT = 0;

/** What an operator reads who has no faiss-node. */
export const PACKAGE_NEEDED =
  "store.adapter faiss needs the package faiss-node, which can't be loaded: npm install faiss-node@0.5.1, or build it as deploy/docs/faiss.md says and name its folder in store.faiss.package";

export function loadFaiss(name: string): FaissPackage {
  try {
    return createRequire(import.meta.url)(name) as FaissPackage;
  } catch (error) {
    throw new Error(PACKAGE_NEEDED, { cause: error });
  }
}

/** Where an IVF index has its number of lists and of probes: behind fourcc, dimension (int32), total, two placeholders (int64), trained (bool) and metric (int32). */
const LISTS_AT = 37;
const PROBES_AT = 45;
const HEADER_BYTES = PROBES_AT + 8;

/**
 * Reads an index for searching. faiss-node has no call for `nprobe`, and with 1, the default, a search finds a part of the neighbours alone: so it is
 * written where the file has it, see `write_ivf_header` of https://github.com/facebookresearch/faiss/blob/v1.7.4/faiss/impl/index_write.cpp.
 */
export function readIndex(
  { Index }: FaissPackage,
  file: string,
  { lists, probes }: { readonly lists: number | undefined; readonly probes: number },
): FaissIndex {
  if (lists !== undefined) setProbes(file, lists, Math.min(lists, probes));
  return Index.read(file);
}

function setProbes(file: string, lists: number, probes: number): void {
  const opened = openSync(file, 'r+');
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    readSync(opened, header, 0, HEADER_BYTES, 0);
    const known = /^Iw(Fl|Sq|PQ)$/.test(header.toString('latin1', 0, 4));
    if (!known || Number(header.readBigUInt64LE(LISTS_AT)) !== lists)
      throw new Error(`expected an IVF index of ${String(lists)} lists, but ${file} is none`);
    if (Number(header.readBigUInt64LE(PROBES_AT)) === probes) return;
    header.writeBigUInt64LE(BigInt(probes), PROBES_AT);
    writeSync(opened, header, PROBES_AT, 8, PROBES_AT);
  } finally {
    closeSync(opened);
  }
}
