/** What the thread of an index is told when it starts. */
export interface FaissWorkerData {
  /** Name or path of the package faiss-node. */
  readonly package: string;
}

/** What a thread can be asked; it answers one after another. Positions number the vectors of the index from 0, and those put behind them. */
export type FaissRequest =
  /** Forgets everything, and reads an index for searching where there is a file. */
  | {
      readonly type: 'load';
      readonly dimension: number;
      readonly factory: string;
      readonly file: string | undefined;
      readonly probes: number;
    }
  /** Puts vectors `[n][dimension]` behind the last position, and takes positions out. */
  | { readonly type: 'put'; readonly vectors: Float32Array; readonly dead: readonly number[] }
  /** Finds the best `limit` of each of `queries` `[n][dimension]`, and those that equal the last; looks at `candidates` at least. */
  | {
      readonly type: 'search';
      readonly queries: Float32Array;
      readonly limit: number;
      readonly candidates: number;
    }
  /** Begins an index: of a file, or of a factory string. */
  | { readonly type: 'begin'; readonly dimension: number; readonly factory: string; readonly file?: string }
  | { readonly type: 'train'; readonly vectors: Float32Array }
  | { readonly type: 'add'; readonly vectors: Float32Array }
  /** Writes the index that was begun, and drops it. */
  | { readonly type: 'write'; readonly file: string };

/** Hits of all queries, one query after the other. */
export interface FaissHits {
  /** How many each query has. */
  readonly counts: readonly number[];
  readonly positions: Int32Array;
  readonly scores: Float32Array;
}

export interface FaissCall {
  readonly id: number;
  readonly request: FaissRequest;
}

export type FaissReply =
  { readonly id: number; readonly hits?: FaissHits } | { readonly id: number; readonly error: string };
