import type { Config } from '../config.js';
import type { Telemetry } from '../telemetry.js';
import { createMemcachedStore } from './memcached.js';
import { createMemoryTier } from './memory.js';
import { createRedisStore } from './redis.js';
import { type RemoteStore, type RemoteTier, createRemoteTier } from './remote.js';
import { type EmbeddingCache, createTieredCache } from './tiers.js';
import { parseCacheUrl } from './url.js';

/** Where the cache tells an operator what it can't do. */
export interface CacheLog {
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

export interface OpenCacheOptions {
  readonly config: Config['cache'];
  readonly telemetry: Telemetry;
  readonly log: CacheLog;
}

/** Opens the cache that the config names; undefined when there is none. Never fails: a server that is away is bypassed until it is back. */
export function openCache({ config, telemetry, log }: OpenCacheOptions): EmbeddingCache | undefined {
  if (config.adapter === 'none') return undefined;
  const second = openSecondTier({ config, telemetry, log });
  second?.check().catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    log.warn({ tier: second.name, reason }, 'cache server does not work; kindred doctor tells more');
  });
  const tiers = [createMemoryTier(config), ...(second ? [second] : [])];
  return createTieredCache({ tiers, namespace: config.namespace, telemetry });
}

/** Opens the tier behind `cache.url`, when there is one. */
export function openSecondTier({ config, telemetry, log }: OpenCacheOptions): RemoteTier | undefined {
  const store = config.url === null ? undefined : openStore(config.url);
  if (store === undefined) return undefined;
  const tier = store.name;
  return createRemoteTier({
    ...config,
    store,
    onWrite: (outcome, entries) => telemetry.metrics.cacheWrites.add(entries, { tier, outcome }),
    onBypass: ({ bypassed, ...event }) => {
      if (bypassed) log.warn({ tier, ...event }, 'cache server bypassed; kindred doctor tells more');
      else log.info({ tier, ...event }, 'cache server answers again');
    },
  });
}

function openStore(url: string): RemoteStore | undefined {
  const server = parseCacheUrl(url);
  switch (server?.kind) {
    case 'redis':
      return createRedisStore(server.url);
    case 'memcached':
      return createMemcachedStore(server);
    case undefined:
      return undefined;
  }
}
