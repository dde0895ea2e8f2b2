import { randomUUID } from 'node:crypto';
import { createClient } from '@keyv/redis';
import { SETTLE_MS, type StateStore, type WriteResult } from './state-store.js';

/** Time that a call may take, in ms. */
const CALL_MS = 1_000;
/** Longest pause before it connects again, in ms. */
const RECONNECT_MS = 500;

/** Compare-and-set: `KEYS` state and settling mark; `ARGV` expected tag, new tag, text, whether it restores, and for how long it settles. */
const WRITE = `
local tag = redis.call('HGET', KEYS[1], 'tag') or ''
if tag ~= ARGV[1] then return 'conflict' end
if ARGV[4] == '1' then redis.call('SET', KEYS[2], '1', 'PX', ARGV[5])
elseif redis.call('EXISTS', KEYS[2]) == 1 then return 'settling' end
redis.call('HSET', KEYS[1], 'tag', ARGV[2], 'text', ARGV[3])
return 'stored'`;

/** A state called `name` in Redis or Valkey at `url`, shared by all replicas of `namespace`. Connects in the background, and again while it is not. */
export function createRedisState(url: string, namespace: string, name = 'rollout'): StateStore {
  const state = `kindred:${namespace}:${name}`;
  const client = createClient({
    url,
    disableOfflineQueue: true,
    socket: {
      reconnectStrategy: (retries) => Math.min(RECONNECT_MS, 50 * 2 ** retries),
      connectTimeout: CALL_MS,
    },
  });
  let fault = 'not connected yet';
  // An 'error' without a listener ends the process. Whoever calls meanwhile gets it as the reason.
  client.on('error', (error: Error) => {
    fault = error.message;
  });
  const connected = client.connect().catch(() => undefined);

  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${String(CALL_MS)} ms`)), CALL_MS);
    });
    try {
      // The first connection is worth waiting for: a command starts with it.
      if (!client.isReady) await Promise.race([connected, late]);
      if (!client.isReady) throw new Error(fault);
      return await Promise.race([work(), late]);
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    name: 'redis',
    read: () =>
      call(async () => {
        const [tag, text] = await client.hmGet(state, ['tag', 'text']);
        return typeof tag === 'string' && typeof text === 'string' ? { tag, text } : null;
      }),
    write: (expected, text, { restores = false } = {}) =>
      call(async () => {
        const answer = await client.eval(WRITE, {
          keys: [state, `${state}:settling`],
          arguments: [expected ?? '', randomUUID(), text, restores ? '1' : '0', String(SETTLE_MS)],
        });
        return answer as unknown as WriteResult;
      }),
    close: async () => {
      if (client.isOpen) client.destroy();
      await connected;
    },
  };
}
