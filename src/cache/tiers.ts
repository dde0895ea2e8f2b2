import type { Embedding } from '../embedding/embedder.js';
import type { Telemetry } from '../telemetry.js';
import { decodeEmbedding, encodeEmbedding, maxEncodedBytes } from './codec.js';
import { keyPrefix } from './key.js';
import type { CacheEntry, CacheTier, TierName, TierStats, WriteCounts } from './tier.js';

/** The model whose embeddings are asked for: `id` for metrics, `dimension` to know a whole vector. */
export interface CachedModel {
  readonly id: string;
  readonly dimension: number;
}

/** Lookups that a tier answered with a value, or with none, or could not answer. */
type LookupCounts = Record<'hit' | 'miss' | 'error', number>;

/** The lookups of a tier, and its writes where it is a server's. */
export interface TierCounts {
  readonly tier: TierName;
  readonly lookups: Readonly<LookupCounts>;
  readonly writes?: WriteCounts;
}

/** Embeddings by key, kept in tiers; one for all models, whose digests stand in the keys. */
export interface EmbeddingCache {
  /** The embeddings under `keys`, in their order: undefined for what no tier has whole. Never rejects because of a tier. */
  getMany(keys: readonly string[], model: CachedModel): Promise<(Embedding | undefined)[]>;
  /** Keeps embeddings. Resolves when this process has them; servers get them later. */
  setMany(entries: readonly (readonly [key: string, embedding: Embedding])[]): Promise<void>;
  /** Resolves when servers have what was kept so far, or it was dropped. */
  flush(): Promise<void>;
  /** What each tier answered and took in this process so far, nearest first. */
  counts(): TierCounts[];
  /** What each tier tells about itself, nearest first. */
  stats(): Promise<TierStats[]>;
  close(): Promise<void>;
}

export interface TieredCacheOptions {
  /** Nearest first. A lookup goes on to the next tier with the keys that are still missing. */
  readonly tiers: readonly CacheTier[];
  /** Keeps apart what several gateways keep on one server. */
  readonly namespace: string;
  readonly telemetry: Telemetry;
}

/** Makes a cache of tiers. What a farther tier has is put into the nearer ones. */
export function createTieredCache({ tiers, namespace, telemetry }: TieredCacheOptions): EmbeddingCache {
  const prefix = keyPrefix(namespace);
  const counted = new Map(tiers.map(({ name }) => [name, { hit: 0, miss: 0, error: 0 }]));

  function count(tier: TierName, model: string, counts: LookupCounts): void {
    const total = counted.get(tier);
    for (const outcome of ['hit', 'miss', 'error'] as const) {
      if (counts[outcome] === 0) continue;
      if (total) total[outcome] += counts[outcome];
      telemetry.metrics.cacheLookups.add(counts[outcome], { tier, outcome, model });
    }
  }

  return {
    getMany: async (keys, { id, dimension }) => {
      const found: (Embedding | undefined)[] = keys.map(() => undefined);
      let missing = keys.map((key, index) => ({ key: prefix + key, index }));
      for (const [depth, tier] of tiers.entries()) {
        if (missing.length === 0) break;
        const asked = missing;
        try {
          const values = await tier.getMany(
            asked.map(({ key }) => key),
            maxEncodedBytes(dimension),
          );
          const whole: CacheEntry[] = [];
          missing = asked.filter(({ key, index }, at) => {
            const value = values[at];
            const embedding = decodeEmbedding(key, value, dimension);
            if (embedding === undefined || value === undefined) return true;
            found[index] = embedding;
            whole.push({ key, value });
            return false;
          });
          count(tier.name, id, { hit: whole.length, miss: missing.length, error: 0 });
          if (whole.length > 0) for (const nearer of tiers.slice(0, depth)) await nearer.setMany(whole);
        } catch {
          // The tier's guard has told the log; here it is a number.
          count(tier.name, id, { hit: 0, miss: 0, error: asked.length });
        }
      }
      return found;
    },
    setMany: async (entries) => {
      const encoded = entries.map(([key, embedding]) => {
        const whole = prefix + key;
        return { key: whole, value: encodeEmbedding(whole, embedding) };
      });
      for (const tier of tiers) await tier.setMany(encoded);
    },
    flush: async () => {
      await Promise.all(tiers.map((tier) => tier.flush()));
    },
    counts: () =>
      tiers.map((tier) => ({
        tier: tier.name,
        lookups: { hit: 0, miss: 0, error: 0, ...counted.get(tier.name) },
        writes: tier.writes?.(),
      })),
    stats: () => Promise.all(tiers.map((tier) => tier.stats())),
    close: async () => {
      await Promise.all(tiers.map((tier) => tier.close()));
    },
  };
}
