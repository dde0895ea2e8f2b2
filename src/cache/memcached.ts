import { KeyvMemcache } from '@keyv/memcache';
import type { MemcachedAddress } from './url.js';
import type { RemoteStore } from './remote.js';

/** Memcached takes a longer time to live for a date. */
const LONGEST_TTL_MS = 30 * 86_400_000;
/** memjs's own limits, in s: never reached, as calls that take longer are given up by their signal. */
const NEVER_S = 3_600;

/** What Kindred needs of memjs, which has no types. */
interface MemjsClient {
  readonly servers: readonly { error(error: Error): void }[];
  stats(done: (error: Error | null, server: string, stats: Record<string, string>) => void): void;
}

/** Opens Memcached: connects with the first call, and anew after any that failed. */
export function createMemcachedStore({ host, port, username, password }: MemcachedAddress): RemoteStore {
  const open = (): KeyvMemcache => {
    const opened = new KeyvMemcache(`${host}:${String(port)}`, {
      username,
      password,
      retries: 1,
      timeout: NEVER_S,
      conntimeout: NEVER_S,
      keepAlive: true,
      logger: { log: () => undefined },
      deserialize: (value: Buffer) => value,
    });
    opened.on('error', () => undefined);
    return opened;
  };
  let current = open();

  /** Ends a connection with all that waits on it: memjs would read on where an answer broke off, and never find its place again. */
  const discard = (used: KeyvMemcache): void => {
    if (current === used) current = open();
    for (const server of clientOf(used).servers) server.error(new Error('the connection was given up'));
  };

  async function call<T>(signal: AbortSignal, work: (used: KeyvMemcache) => Promise<T>): Promise<T> {
    const used = current;
    const giveUp = (): void => {
      discard(used);
    };
    signal.addEventListener('abort', giveUp);
    try {
      return await work(used);
    } catch (error) {
      giveUp();
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  return {
    name: 'memcached',
    // memjs sends each key on its own but waits for none: all questions are on their way before the first answer.
    getMany: (keys, maxBytes, signal) =>
      call(signal, async (used) => {
        const values: unknown[] = await Promise.all(keys.map((key) => used.get(key)));
        return values.map((value) =>
          Buffer.isBuffer(value) && value.length <= maxBytes ? value.toString('latin1') : undefined,
        );
      }),
    setMany: (entries, ttlMs, signal) =>
      call(signal, async (used) => {
        const ttl = ttlMs > LONGEST_TTL_MS ? Date.now() + ttlMs : ttlMs;
        await Promise.all(entries.map(({ key, value }) => used.set(key, value, ttl)));
      }),
    ready: () => Promise.resolve(),
    stats: (signal) =>
      call(signal, async (used) => {
        const stats = await new Promise<Record<string, string>>((resolve, reject) => {
          clientOf(used).stats((error, _, answer) => {
            if (error) reject(error);
            else resolve(answer);
          });
        });
        return {
          entries: Number(stats.curr_items),
          bytes: Number(stats.bytes),
          maxBytes: Number(stats.limit_maxbytes),
          hits: Number(stats.get_hits),
          misses: Number(stats.get_misses),
          evicted: Number(stats.evictions),
        };
      }),
    close: () => {
      for (const server of clientOf(current).servers) server.error(new Error('the cache is closed'));
    },
  };
}

function clientOf(keyv: KeyvMemcache): MemjsClient {
  // eslint-disable-next-line @typescript-eslint/no-unsafe-return -- memjs has no types
  return keyv.client;
}
