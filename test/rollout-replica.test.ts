import { mkdtempSync, rmSync, writeFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFileState } from '../src/rollout/file-state.js';
import { createMemoryState } from '../src/rollout/memory-state.js';
import { createRedisState } from '../src/rollout/redis-state.js';
import { type Replica, openReplica } from '../src/rollout/replica.js';
import { type RolloutState, amend, firstState, recordOf } from '../src/rollout/state.js';
import type { StateStore } from '../src/rollout/state-store.js';
import { describeStateStore } from './conformance/state-store.js';
import { skipWithout } from './daemon.js';
import { type Redis, startRedis } from './redis.js';

const folders: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'kindred-state-'));
  folders.push(made);
  return made;
}
afterAll(() => {
  for (const each of folders) rmSync(each, { recursive: true, force: true });
});

const first = firstState({ versions: ['v1', 'v2'], stable: 'v1', candidate: null });
const sharing =
  (share: number) =>
  (state: RolloutState): RolloutState =>
    amend(state, { version: 'v2', action: 'traffic', who: 'a test', why: '', at: new Date() }, { share });
const shareOf = ({ state }: Replica): number => recordOf(state, 'v2').share;

describeStateStore('memory', () => {
  let store = createMemoryState();
  return {
    open: () => ({ ...store, read: () => store.read(), write: (...args) => store.write(...args) }),
    clear: () => {
      store = createMemoryState();
      return Promise.resolve();
    },
  };
});

describeStateStore('a folder', () => {
  const path = folder();
  return {
    open: () => createFileState(join(path, 'state')),
    clear: () => {
      rmSync(join(path, 'state'), { recursive: true, force: true });
      return Promise.resolve();
    },
  };
});

describe('a folder of states', () => {
  it('keeps a few older ones, and passes over what is none', async () => {
    const path = folder();
    const store = createFileState(path);
    writeFileSync(join(path, '.half-written'), 'x');
    writeFileSync(join(path, 'notes.txt'), 'x');
    for (let number = 0; number < 50; number += 1)
      await store.write((await store.read())?.tag ?? null, `${number}`);
    expect((await store.read())?.text).toBe('49');
    expect(readdirSync(path).filter((name) => name.endsWith('.json'))).toHaveLength(33);
  });
});

describe('a replica alone', () => {
  it('holds what the config says until something happens, and stores nothing', async () => {
    const store = createMemoryState();
    const replica = await openReplica({ store, first, pollMs: 0 });
    expect(replica.state).toEqual(first);
    expect(await store.read()).toBeNull();
    await replica.change(sharing(0.1));
    expect(shareOf(replica)).toBe(0.1);
    expect((await openReplica({ store, first, pollMs: 0 })).state).toEqual(replica.state);
  });

  it('changes nothing when the change throws, or has nothing to change', async () => {
    const store = createMemoryState();
    const replica = await openReplica({ store, first, pollMs: 0 });
    await expect(
      replica.change(() => {
        throw new Error('not allowed');
      }),
    ).rejects.toThrow('not allowed');
    await replica.change((state) => state);
    expect(await store.read()).toBeNull();
  });

  it('says that what is stored is none of its own, and goes on with what it knows', async () => {
    const store = createMemoryState();
    await store.write(null, '{"format":99}');
    const replica = await openReplica({ store, first, pollMs: 0 });
    expect(replica.cutOff).toMatch(/none of this version of Kindred/);
    expect(replica.state).toEqual(first);
    await expect(replica.change(sharing(0.2))).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    expect((await store.read())?.text).toBe('{"format":99}');
  });
});

describe('replicas in one place', () => {
  it('all make their changes, one on top of another', async () => {
    const store = createFileState(join(folder(), 'state'));
    const replicas = await Promise.all(
      Array.from({ length: 4 }, () => openReplica({ store, first, pollMs: 0 })),
    );
    await Promise.all(
      replicas.flatMap((replica, index) =>
        Array.from({ length: 5 }, (_, at) => replica.change(sharing((index * 5 + at) / 100))),
      ),
    );
    for (const replica of replicas) await replica.refresh();
    const [one, ...others] = replicas.map(({ state }) => state);
    expect(one?.revision).toBe(20);
    expect(new Set(one?.history.map(({ share }) => share)).size).toBe(20);
    for (const other of others) expect(other).toEqual(one);
  });

  it('put back what the place has lost: the latest of all wins', async () => {
    let store: StateStore = createMemoryState();
    const place: StateStore = {
      name: 'a place',
      read: () => store.read(),
      write: (...args) => store.write(...args),
      close: () => Promise.resolve(),
    };
    const [ahead, behind] = [
      await openReplica({ store: place, first, pollMs: 0 }),
      await openReplica({ store: place, first, pollMs: 0 }),
    ];
    await ahead.change(sharing(0.1));
    await behind.refresh();
    await ahead.change(sharing(0.2));
    store = createMemoryState();
    await behind.refresh();
    expect(shareOf(behind)).toBe(0.1);
    await ahead.refresh();
    await behind.refresh();
    expect(shareOf(behind)).toBe(0.2);
    expect(behind.state).toEqual(ahead.state);
  });
});

const reason = skipWithout('redis-server');
describe.skipIf(reason !== undefined)(`Redis${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let redis: Redis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis.close();
  });
  const open = (store = createRedisState(redis.url, 'test')): Promise<Replica> =>
    openReplica({ store, mirror: createMemoryState(), first, pollMs: 50 });

  describeStateStore('Redis', () => ({
    open: () => createRedisState(redis.url, 'conformance'),
    clear: async () => {
      await redis.command('FLUSHALL');
    },
  }));

  it('X14: of two admins at once both changes are made, one after the other, and all replicas agree', async () => {
    await redis.command('FLUSHALL');
    const [one, two, looking] = await Promise.all([open(), open(), open()]);
    await one.change(sharing(0));
    await Promise.all([one.change(sharing(0.25)), two.change(sharing(0.75))]);
    await expect.poll(() => looking.state.history.length).toBe(3);
    await expect.poll(() => one.state).toEqual(looking.state);
    await expect.poll(() => two.state).toEqual(looking.state);
    expect(looking.state.history.map(({ share }) => share).sort()).toEqual([0, 0.25, 0.75]);
    await Promise.all([one, two, looking].map((each) => each.close()));
  });

  it('X14: a replica that is cut off keeps its last state and says so, changes nothing, and puts the state back into an empty server', async () => {
    await redis.command('FLUSHALL');
    const told: (string | null)[] = [];
    const replica = await openReplica({
      store: createRedisState(redis.url, 'test'),
      mirror: createMemoryState(),
      first,
      pollMs: 50,
      onCutOff: (why) => told.push(why),
    });
    await replica.change(sharing(0.3));
    await redis.kill();
    await expect.poll(() => replica.cutOff, { timeout: 10_000 }).toEqual(expect.any(String));
    expect(shareOf(replica)).toBe(0.3);
    await expect(replica.change(sharing(0.4))).rejects.toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      retry: true,
    });
    expect(shareOf(replica)).toBe(0.3);
    await redis.restart();
    await expect.poll(() => replica.cutOff, { timeout: 10_000 }).toBeUndefined();
    expect(told).toEqual([expect.any(String), null]);
    const other = await open();
    expect(shareOf(other)).toBe(0.3);
    // What was put back may not be the latest for some seconds, in which changes wait.
    await other.change(sharing(0.5));
    await expect.poll(() => shareOf(replica)).toBe(0.5);
    await Promise.all([replica, other].map((each) => each.close()));
  }, 30_000);

  it('a command that finds an empty server makes no change that a replica then takes back', async () => {
    await redis.command('FLUSHALL');
    const replica = await open();
    await replica.change(sharing(0.1));
    await replica.change(sharing(0.2));
    await redis.command('FLUSHALL');
    const command = await open();
    await command.change(sharing(0.9));
    await expect.poll(() => shareOf(replica)).toBe(0.9);
    expect(replica.state.history.map(({ share }) => share)).toEqual([0.1, 0.2, 0.9]);
    await Promise.all([replica, command].map((each) => each.close()));
  }, 30_000);

  it('a replica that starts while the server is away goes on with what it knew', async () => {
    const mirror = createMemoryState();
    const before = await openReplica({
      store: createRedisState(redis.url, 'mirrored'),
      mirror,
      first,
      pollMs: 50,
    });
    await before.change(sharing(0.6));
    await before.close();
    await redis.kill();
    const after = await openReplica({
      store: createRedisState(redis.url, 'mirrored'),
      mirror,
      first,
      pollMs: 50,
    });
    expect(after.cutOff).toEqual(expect.any(String));
    expect(shareOf(after)).toBe(0.6);
    await redis.restart();
    await expect.poll(() => after.cutOff, { timeout: 10_000 }).toBeUndefined();
    await after.close();
  }, 30_000);
});
