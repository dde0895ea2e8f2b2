import { randomUUID } from 'node:crypto';
import { createGuard } from './guard.js';
import type { CacheEntry, CacheTier, TierStats } from './tier.js';
import { type WriteOutcome, createWriteBehind } from './write-behind.js';

/** Time a batch of writes may take, in ms: nobody waits for it. */
const WRITE_MS = 1_000;
/** Time the questions of an operator may take, in ms. */
const ASK_MS = 3_000;
const CHECK_TTL_MS = 10_000;
/** Time that writes still waiting get when the cache closes, in ms. */
const CLOSE_MS = 1_000;
const RETRY_MS = 5_000;
const MAX_WAITING_BYTES = 8 << 20;

/** A server's protocol: no time limit, no memory of faults. Its calls reject when the server can't answer. */
export interface RemoteStore {
  readonly name: Exclude<CacheTier['name'], 'memory'>;
  /** One round trip for all `keys`. A value over `maxBytes` is none. `signal` aborts when nobody waits any more. */
  getMany(keys: readonly string[], maxBytes: number, signal: AbortSignal): Promise<(string | undefined)[]>;
  /** One round trip for all `entries`, which stay for `ttlMs`. */
  setMany(entries: readonly CacheEntry[], ttlMs: number, signal: AbortSignal): Promise<void>;
  /** Resolves when it is connected; for those who would rather wait than be refused. */
  ready(signal: AbortSignal): Promise<void>;
  stats(signal: AbortSignal): Promise<Omit<TierStats, 'tier' | 'reachable'>>;
  close(): void;
}

export interface RemoteTierOptions {
  readonly store: RemoteStore;
  readonly ttlSeconds: number;
  /** Time a lookup may take, in ms. */
  readonly timeoutMs: number;
  /** Time until a bypassed server is tried again, in ms. */
  readonly retryMs?: number;
  /** Bytes of values that may wait to be written. */
  readonly maxWaitingBytes?: number;
  readonly onWrite?: (outcome: WriteOutcome, entries: number) => void;
  /** Reads or writes begin or cease to bypass the server. */
  readonly onBypass?: (event: { calls: 'reads' | 'writes'; bypassed: boolean; reason?: string }) => void;
}

/** A tier on a server. */
export interface RemoteTier extends CacheTier {
  /** Waits for the connection, writes a value and reads it back: rejects with what is wrong, answers the ms of the lookup. */
  check(): Promise<number>;
  /** Which calls are kept from the server now. */
  bypassed(): { readonly reads: boolean; readonly writes: boolean };
}

/**
 * Makes a server a tier: lookups within `timeoutMs`, writes behind the response, and a breaker each, since a server that is full or a
 * replica still answers lookups.
 */
export function createRemoteTier(options: RemoteTierOptions): RemoteTier {
  const { store, ttlSeconds, timeoutMs, retryMs = RETRY_MS, onBypass, onWrite } = options;
  const guard = (calls: 'reads' | 'writes', limitMs: number): ReturnType<typeof createGuard> =>
    createGuard({
      timeoutMs: limitMs,
      retryMs,
      onOpen: (reason) => onBypass?.({ calls, bypassed: true, reason }),
      onClose: () => onBypass?.({ calls, bypassed: false }),
    });
  const reads = guard('reads', timeoutMs);
  const writes = guard('writes', WRITE_MS);
  const counts = { written: 0, dropped: 0, error: 0 };
  const behind = createWriteBehind({
    write: (entries) => writes.run((signal) => store.setMany(entries, ttlSeconds * 1000, signal)),
    maxWaitingBytes: options.maxWaitingBytes ?? MAX_WAITING_BYTES,
    count: (outcome, entries) => {
      counts[outcome] += entries;
      onWrite?.(outcome, entries);
    },
  });
  // A guard of its own: an operator's question goes out even while requests bypass the server.
  const ask = <T>(question: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    createGuard({ timeoutMs: ASK_MS, retryMs }).run(question);
  return {
    name: store.name,
    getMany: (keys, maxBytes) => reads.run((signal) => store.getMany(keys, maxBytes, signal)),
    setMany: (entries) => {
      behind.add(entries);
      return Promise.resolve();
    },
    flush: () => behind.flush(),
    writes: () => ({ ...counts }),
    check: () =>
      ask(async (signal) => {
        await store.ready(signal);
        // Of its own each time: two processes may check at once.
        const entry = { key: `kindred:check:${randomUUID()}`, value: 'well' };
        await store.setMany([entry], CHECK_TTL_MS, signal);
        const from = performance.now();
        const [value] = await store.getMany([entry.key], entry.value.length, signal);
        if (value !== entry.value) throw new Error('a value that was written did not come back');
        return performance.now() - from;
      }),
    stats: async () => {
      const { name: tier } = store;
      try {
        const stats = await ask(async (signal) => {
          await store.ready(signal);
          return store.stats(signal);
        });
        return { tier, reachable: true, ...stats };
      } catch (error) {
        return { tier, reachable: false, note: error instanceof Error ? error.message : String(error) };
      }
    },
    bypassed: () => ({ reads: reads.bypassed(), writes: writes.bypassed() }),
    close: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_MS);
      });
      await Promise.race([behind.flush(), late]);
      clearTimeout(timer);
      store.close();
    },
  };
}
