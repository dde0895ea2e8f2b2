import type { TextLanguage } from './text-language.js';

/** How reads see writes, as Milvus names it: https://milvus.io/docs/consistency.md. */
export const MILVUS_CONSISTENCY = ['Strong', 'Bounded', 'Session', 'Eventually'] as const;
export type MilvusConsistency = (typeof MILVUS_CONSISTENCY)[number];

/** The vector indexes that a collection can be made with. */
export const MILVUS_INDEXES = ['HNSW', 'IVF_FLAT', 'FLAT', 'AUTOINDEX', 'DISKANN', 'GPU_CAGRA'] as const;
export type MilvusIndexType = (typeof MILVUS_INDEXES)[number];

/** Certificates of the connection: PEM files. */
export interface MilvusTls {
  /** Authorities to trust; those of Node by default. */
  readonly caFile: string | null;
  /** The client's own certificate and key, where the server asks for them (mTLS). */
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** Name in the server's certificate where it is not that of the address. */
  readonly serverName: string | null;
}

/** A vector index and how it is searched. */
export interface MilvusIndex {
  readonly type: MilvusIndexType;
  /** For building, e.g. `{ M: 16, efConstruction: 200 }`; those left out have defaults of the type. */
  readonly params: Readonly<Record<string, number | string>>;
  /** For searching, e.g. `{ ef: 128 }`. */
  readonly searchParams: Readonly<Record<string, number | string>>;
}

/** A collection that somebody else made and writes. */
export interface MilvusAdoption {
  readonly collection: string;
  /** Its field of vectors. */
  readonly vector: string;
  /** Its columns by the fields of the catalogue, where their names differ. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Where files for Milvus' bulk import go. */
export interface MilvusBulk {
  /** A folder of this machine that Milvus can read too; null for none, and then there is no bulk import. */
  readonly folder: string | null;
  /** What Milvus calls that folder: a path of its own disk, or a prefix in its bucket. By default the same. */
  readonly path: string | null;
  /** Rows from which a load goes this way. */
  readonly fromRows: number;
}

export interface MilvusOptions {
  /** `host:port`, or `https://...` for TLS, e.g. of Zilliz Cloud. */
  readonly address: string;
  /** An API key, or `user:password`. */
  readonly token: string | null;
  readonly database: string;
  readonly tls: MilvusTls;
  readonly consistency: MilvusConsistency;
  readonly index: MilvusIndex;
  /** The string field whose values tenants are told apart by; null for none. */
  readonly partitionKey: string | null;
  /** Collections that are there already and answer for a model version, by its id. */
  readonly adopt: Readonly<Record<string, MilvusAdoption>>;
  readonly bulk: MilvusBulk;
  /** Language of the texts, for the stems of words in lexical search; null for none. */
  readonly textLanguage: TextLanguage | null;
  /** Time that a read may take, in ms. */
  readonly timeoutMs: number;
  /** Time that a write or a change of the schema may take, in ms. */
  readonly writeTimeoutMs: number;
  /** Time that loading or building an index may take, in ms. */
  readonly loadTimeoutMs: number;
  /** Calls under way at most; more wait. */
  readonly concurrency: number;
  /** Told once when the server counts as away, and once when it answers again. */
  readonly onAway?: (reason: string) => void;
  readonly onBack?: () => void;
}
