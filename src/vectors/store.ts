import type { FieldType } from '../catalogue/catalogue.js';
import type { Item } from '../catalogue/item.js';
import type { Filter, FilterOperator } from './filter.js';

/** A field of items, with the type that decides its column. */
export interface IndexedField {
  readonly name: string;
  readonly type: FieldType;
}

/** Which fields of items to read: all, or at least those named. */
export type Projection = 'all' | readonly string[];

/** What a collection holds: the vectors of one model over one catalogue. */
export interface CollectionSpec {
  /** `[A-Za-z0-9_]{1,200}`; holds entity, model id and digest, so two models never share a collection. */
  readonly name: string;
  readonly dimension: number;
  /** Fields that filters may name. */
  readonly fields: readonly IndexedField[];
  /** Fields that items may have, so that a store can keep each in a column of its own; by default none is known. Items may have others, too. */
  readonly itemFields?: readonly IndexedField[];
  /** Fields whose words lexical search finds; by default none, and there is no lexical search. */
  readonly text?: readonly string[];
  /** The model version whose vectors it holds, for a store that is told where to find them. */
  readonly version?: string;
}

export interface VectorRecord {
  readonly item: Item;
  /** L2-normalised, `[dimension]`. */
  readonly vector: Float32Array;
  /** Hash of everything that the record was made from; equal means unchanged. '' in a scan of a store that has none. */
  readonly hash: string;
}

export interface Hit {
  readonly id: string;
  /** Higher is better. Of a search by vectors the cosine, -1 to 1; of one by words a BM25 score, 0 or more, without a scale. */
  readonly score: number;
  /** Reads the item, where the search brought it along; it has what {@link SearchOptions.items} asked for. */
  readonly item?: () => Item;
}

export interface SearchOptions {
  /** Fields that hits may bring along, where that costs the store less than a call of its own; they need not. By default none. */
  readonly items?: Projection;
  /** How many hits a query gets at most. */
  readonly limit: number;
  readonly filter?: Filter;
  readonly signal?: AbortSignal;
}

/** What a store can do; callers ask here instead of finding out by failing. */
export interface StoreCapabilities {
  readonly filters: ReadonlySet<FilterOperator>;
  /** The most queries that one search call takes. */
  readonly maxQueries: number;
  /** Whether many queries in one call cost less than each in its own; where they do, searches of concurrent requests are merged. */
  readonly merges: boolean;
  /** The most records that one upsert call takes. */
  readonly maxUpsert: number;
  /** Whether records survive the process. */
  readonly persistent: boolean;
  /** Whether a search is exact; otherwise it is approximate above some size. */
  readonly exact: boolean;
  /** Whether it has {@link Aliases}. */
  readonly aliases: boolean;
  /** Whether it finds items by their words; or since when, where the server's version decides. See {@link Collection.lexical}. */
  readonly lexical: boolean | `from ${string}`;
}

export interface ScanOptions {
  /** Records in a batch at most. */
  readonly batch: number;
  /** Goes on behind this id, which need not be there any more. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

/** How a collection stands, for operators. */
export interface CollectionStatus {
  readonly rows: number;
  /** `NONE`: searches scan. `BUILDING`: rows are left that the index does not hold yet. */
  readonly index: 'NONE' | 'BUILDING' | 'READY';
  /** The index in the store's own words. */
  readonly indexType?: string;
  readonly unindexedRows?: number;
}

/** A way to take very many records into a collection that has none. */
export interface BulkLoad {
  /** Records from which it pays. */
  readonly fromRows: number;
  /** Waits until nothing that an earlier load began is under way any more. */
  settled(signal: AbortSignal): Promise<void>;
  /** Takes all `batches` in, each id once. What was taken in before an error stays. */
  load(
    batches: AsyncIterable<readonly VectorRecord[]>,
    options: { readonly signal: AbortSignal; readonly onProgress?: (records: number) => void },
  ): Promise<void>;
}

/** The records of one model version. All ids are the catalogue's keys. */
export interface Collection {
  readonly spec: CollectionSpec;
  /** Whether `searchText` answers here: the store can, and the spec names fields to search. */
  readonly lexical: boolean;
  /** Whether some fields of an item are read for less than all of them. Where they are not, callers do best to ask for all and keep them. */
  readonly projects: boolean;
  /**
   * Inserts records or replaces those with the same id, all or none of this call. Throws UPSTREAM_UNAVAILABLE when the store can't be
   * reached; a record whose vector has another dimension is BAD_USER_INPUT.
   */
  upsert(records: readonly VectorRecord[]): Promise<void>;
  /** Deletes by id; ids that are not there are no error. Answers how many were there. */
  delete(ids: readonly string[]): Promise<number>;
  /** Items in the order of `ids`, with the fields of `projection` (by default all) that they have; null where there is none. */
  fetch(ids: readonly string[], projection?: Projection): Promise<(Item | null)[]>;
  /** Vectors in the order of `ids`; null where there is none. */
  vectors(ids: readonly string[]): Promise<(Float32Array | null)[]>;
  /** Content hashes in the order of `ids`; null where there is none. */
  hashes(ids: readonly string[]): Promise<(string | null)[]>;
  /** For each of `queries` (`[n][dimension]`) its nearest records by cosine, best first, ties by id. */
  search(queries: readonly Float32Array[], options: SearchOptions): Promise<Hit[][]>;
  /**
   * The records whose words fit `query` best by BM25, ties by id; words have no syntax. None for a query without words. FEATURE_UNSUPPORTED,
   * naming the store and what it would take, where it is not `lexical`.
   */
  searchText(query: string, options: SearchOptions): Promise<Hit[]>;
  /** Undefined where upserts are all there is. */
  readonly bulk?: BulkLoad;
  count(filter?: Filter): Promise<number>;
  /**
   * Every record that is there from beginning to end, once, in batches that ascend by id in an order of the store's own. Records that are
   * written or deleted meanwhile may be among them or not.
   */
  scan(options: ScanOptions): AsyncIterable<VectorRecord[]>;
  status(): Promise<CollectionStatus>;
  /** For operators: why it can't answer now; undefined while it can. Stores that are part of this process have none. */
  readonly fault?: () => string | undefined;
  /** Compacts files and builds or refreshes the index where the size calls for it. Safe at any time. */
  optimize(): Promise<void>;
}

/** Names that stand for a collection and can be moved to another at once, for readers beside Kindred. Kindred writes to collections alone. */
export interface Aliases {
  /** The collection of each alias. */
  list(): Promise<ReadonlyMap<string, string>>;
  /** Makes an alias or moves it; readers see the old collection or the new one, never none. */
  point(alias: string, collection: string): Promise<void>;
  /** Takes an alias away; one that is not there is no error. */
  drop(alias: string): Promise<void>;
}

/** A vector database, embedded or remote. */
export interface VectorStore {
  readonly name: string;
  readonly capabilities: StoreCapabilities;
  /** Opens a collection, made on first use. One that exists with another dimension or other fields is an error that says what to do. */
  open(spec: CollectionSpec): Promise<Collection>;
  /** Undefined where the store has none. */
  readonly aliases?: Aliases;
  /** Names of all collections. */
  list(): Promise<string[]>;
  /** Drops a collection; one that an alias points to is BAD_USER_INPUT, since its readers would be left with none. */
  drop(name: string): Promise<void>;
  /** Resolves when the store answers; rejects with UPSTREAM_UNAVAILABLE. */
  check(): Promise<void>;
  /** The server's version as it tells it, which decides what it can do. Undefined where the store is part of this process. */
  readonly serverVersion?: () => Promise<string>;
  close(): Promise<void>;
}
