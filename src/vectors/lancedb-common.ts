import { KindredError } from '../errors.js';
import { FILTER_OPERATORS } from './filter.js';
import type { StoreCapabilities } from './store.js';
import type { TextLanguage } from './text-language.js';

export interface LanceDbOptions {
  /** Folder of the tables, one a collection; made on first use. */
  readonly folder: string;
  /** Rows from which `optimize` builds a vector index. */
  readonly indexFromRows: number;
  /** Candidates for each hit that the approximate index ranks again by their full vectors. */
  readonly refineFactor: number;
  /** Language of the texts, for the stems of words in lexical search; null for none. */
  readonly textLanguage?: TextLanguage | null;
  /** How soon reads see what another process wrote, in ms. */
  readonly refreshMs: number;
  /**
   * Rows times dimension up to which the index is an exact scan of vectors in memory; above, an approximate HNSW graph. By default
   * 40 million, 160 MB of vectors: there both cost about the same CPU time.
   */
  readonly exactUpToFloats?: number;
}

export const LANCEDB_CAPABILITIES: StoreCapabilities = {
  filters: FILTER_OPERATORS,
  maxQueries: 64,
  merges: true,
  maxUpsert: 10_000,
  persistent: true,
  exact: false,
  lexical: true,
  aliases: false,
};

/** Runs `work`; whatever it throws that no client may see becomes UPSTREAM_UNAVAILABLE with the cause for the log. */
export async function unavailable<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KindredError) throw error;
    throw new KindredError('UPSTREAM_UNAVAILABLE', `the vector store failed at ${what}`, { cause: error });
  }
}
