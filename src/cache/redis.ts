import KeyvRedis, { type RedisClientType, createClient, defaultReconnectStrategy } from '@keyv/redis';
import type { RemoteStore } from './remote.js';

/** Time between probes of the connection, and time without any byte after which it is given up, in ms. */
const PING_MS = 5_000;
const SILENT_MS = 15_000;
/** Time that an answer may be late before its connection is given up, in ms. */
const LOST_MS = 2_000;
/** Commands that may wait for their answers; the breaker opens long before. */
const MAX_COMMANDS = 4_096;
const CONNECTING = 'not connected yet';

/** A client with the reason why it is not connected. */
interface Connection {
  readonly client: RedisClientType;
  readonly keyv: KeyvRedis<string>;
  fault: string;
}

/**
 * Opens Redis or Valkey at `url` (redis:// or rediss://) in the background: until it is connected, and again while it is not, calls
 * reject at once. It connects again by itself.
 */
export function createRedisStore(url: string): RemoteStore {
  let current = connect(url);
  let closed = false;

  /** Runs `work` once connected. A connection that leaves it without an answer is lost, whatever TCP still hopes for. */
  async function call<T>(signal: AbortSignal, work: (used: Connection) => Promise<T>): Promise<T> {
    const used = current;
    if (!used.client.isReady) throw new Error(used.fault);
    let lost: NodeJS.Timeout | undefined;
    const wait = (): void => {
      lost = setTimeout(() => {
        if (current === used && !closed) current = connect(url);
        disconnect(used);
      }, LOST_MS);
      lost.unref();
    };
    signal.addEventListener('abort', wait);
    try {
      return await work(used);
    } finally {
      clearTimeout(lost);
      signal.removeEventListener('abort', wait);
    }
  }

  return {
    name: 'redis',
    // GETRANGE rather than MGET: what somebody else put under a key may be 512 MiB. All go out in one write and come back in one.
    getMany: (keys, maxBytes, signal) =>
      call(signal, async ({ client }) => {
        const values = await Promise.all(
          keys.map((key) => client.getRange(key, 0, maxBytes).catch(noneWhenOtherType)),
        );
        return values.map((value) => (value && value.length <= maxBytes ? value : undefined));
      }),
    setMany: (entries, ttlMs, signal) =>
      call(signal, async ({ keyv }) => {
        await Promise.all(entries.map(({ key, value }) => keyv.set(key, value, ttlMs)));
      }),
    ready: async (signal) => {
      while (!current.client.isReady) {
        const { client, fault } = current;
        if (signal.aborted || !client.isOpen || fault !== CONNECTING) throw new Error(fault);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    stats: (signal) =>
      call(signal, async ({ client }) => {
        const [info, entries] = await Promise.all([client.info(), client.dbSize()]);
        const of = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
        const maxBytes = of('maxmemory');
        return {
          entries,
          bytes: of('used_memory'),
          ...(maxBytes > 0 && { maxBytes }),
          hits: of('keyspace_hits'),
          misses: of('keyspace_misses'),
          evicted: of('evicted_keys'),
          note: remark(info, maxBytes),
        };
      }),
    close: () => {
      closed = true;
      disconnect(current);
    },
  };
}

function connect(url: string): Connection {
  const client = createClient({
    url,
    // A lookup that waits for a connection is late already.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_COMMANDS,
    pingInterval: PING_MS,
    socket: { socketTimeout: SILENT_MS, reconnectStrategy: defaultReconnectStrategy },
  }) as RedisClientType;
  const connection = {
    client,
    keyv: new KeyvRedis<string>(client, { throwOnErrors: true }),
    fault: CONNECTING,
  };
  // An 'error' without a listener ends the process. Whoever calls meanwhile gets it as the reason.
  client.on('error', (error: Error) => {
    connection.fault = describe(error);
  });
  client.on('ready', () => {
    connection.fault = CONNECTING;
  });
  connection.keyv.on('error', () => undefined);
  client.connect().catch(() => undefined);
  return connection;
}

function disconnect({ client }: Connection): void {
  if (client.isOpen) client.destroy();
}

/** A key of another type, a list for instance, is none of Kindred's; any other error is the server's. */
function noneWhenOtherType(error: unknown): string {
  if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return '';
  throw error;
}

/** A refused connection to a name with several addresses has its reasons inside and no message of its own. */
function describe(error: Error): string {
  const inner = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : undefined;
  return [error.message, inner?.message].find(Boolean) ?? error.name;
}

/** What in the server's settings harms a cache. */
function remark(info: string, maxBytes: number): string | undefined {
  if (/^role:slave/m.test(info)) return 'a replica: nothing can be written to it';
  if (maxBytes === 0) return 'no maxmemory is set: the server grows until values expire';
  if (/^maxmemory_policy:noeviction/m.test(info))
    return 'maxmemory-policy noeviction: nothing new is kept once it is full; allkeys-lru suits a cache';
  return undefined;
}
