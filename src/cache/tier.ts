/** A value with its key. */
export interface CacheEntry {
  readonly key: string;
  readonly value: string;
}

/** Names of tiers, as metrics and logs have them; Valkey is `redis`, whose protocol it speaks. */
export type TierName = 'memory' | 'redis' | 'memcached';

/** What a tier tells about itself; what it does not know is left out. */
export interface TierStats {
  readonly tier: TierName;
  readonly reachable: boolean;
  /** Why it is not reachable, or what an operator should know; never sent to clients. */
  readonly note?: string;
  /** Entries, of whatever program; and bytes in use and at most. */
  readonly entries?: number;
  readonly bytes?: number;
  readonly maxBytes?: number;
  /** Lookups since the server's start, of all its clients. */
  readonly hits?: number;
  readonly misses?: number;
  /** Entries that had to make room. */
  readonly evicted?: number;
}

/** Entries a server's tier took since this process opened it; `dropped` ones were never sent. */
export interface WriteCounts {
  readonly written: number;
  readonly dropped: number;
  readonly error: number;
}

/** One place where encoded embeddings are kept: this process, or a server that several share. */
export interface CacheTier {
  readonly name: TierName;
  /** The values under `keys`, in their order; one over `maxBytes` is none. Rejects when the tier can't answer. */
  getMany(keys: readonly string[], maxBytes: number): Promise<(string | undefined)[]>;
  /** Takes values for keeping; never rejects. A server's tier writes them later, or drops them when it is behind. */
  setMany(entries: readonly CacheEntry[]): Promise<void>;
  /** Resolves when all that was taken is written or dropped. */
  flush(): Promise<void>;
  /** What became of the values taken, where that is not settled at once. */
  writes?(): WriteCounts;
  /** Never rejects. */
  stats(): Promise<TierStats>;
  close(): Promise<void>;
}
