import { setTimeout as sleep } from 'node:timers/promises';
import { KindredError } from '../errors.js';
import { type RolloutState, stateSchema } from './state.js';
import { SETTLE_MS, type StateStore } from './state-store.js';

export interface ReplicaOptions {
  readonly store: StateStore;
  /** Keeps what was last known, for a start at which the store can't be reached; undefined where the store itself is here. */
  readonly mirror?: StateStore;
  /** What holds before anything was ever stored. */
  readonly first: RolloutState;
  /** How often it looks for changes of others, in ms; 0 for only when told to. */
  readonly pollMs: number;
  /** Told of each state that is new here, and when the store is lost and found. */
  readonly onState?: (state: RolloutState, before: RolloutState) => void;
  readonly onCutOff?: (reason: string | null) => void;
}

/** One process' view of the rollout that all share. */
export interface Replica {
  readonly state: RolloutState;
  /** Why the shared state can't be read now; the last known one holds meanwhile. Undefined while it can. */
  readonly cutOff: string | undefined;
  /** Reads what others have changed. Never rejects. */
  refresh(): Promise<void>;
  /**
   * Makes a change on top of whatever is the latest state, again when another process was faster. What `change` throws is thrown; when the store
   * can't be reached nothing is changed, and UPSTREAM_UNAVAILABLE is thrown.
   */
  change(change: (state: RolloutState) => RolloutState): Promise<RolloutState>;
  close(): Promise<void>;
}

/** Pause before a change is tried again on top of another, in ms. */
const CONFLICT_MS = 20;
const ATTEMPTS = 200;

/**
 * Follows the shared state and changes it by compare-and-set. The highest revision wins: a store that lost its data, or got an old copy back, is given
 * the latest state that any replica knows, so a step is never skipped and never taken back.
 */
export async function openReplica(options: ReplicaOptions): Promise<Replica> {
  const { store, mirror, first, pollMs, onState, onCutOff } = options;
  let state = (await recall(mirror)) ?? first;
  let cutOff: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const adopt = (next: RolloutState): void => {
    if (JSON.stringify(next) === JSON.stringify(state)) return;
    const before = state;
    state = next;
    onState?.(next, before);
    void remember(mirror, next);
  };
  const lost = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    if (cutOff === undefined) onCutOff?.(reason);
    cutOff = reason;
  };
  const found = (): void => {
    if (cutOff !== undefined) onCutOff?.(null);
    cutOff = undefined;
  };

  /** What is stored, with its tag; the state known here goes back when the store holds an older one or none. */
  const sync = async (): Promise<string | null> => {
    for (;;) {
      const stored = await store.read();
      const shared = stored === null ? null : parse(stored.text);
      if (shared !== null && shared.revision >= state.revision) {
        adopt(shared);
        return stored?.tag ?? null;
      }
      if (state.revision === 0) return stored?.tag ?? null;
      await store.write(stored?.tag ?? null, JSON.stringify(state), { restores: true });
    }
  };

  const refresh = async (): Promise<void> => {
    try {
      await sync();
      found();
    } catch (error) {
      lost(error);
    }
  };

  const change: Replica['change'] = async (make) => {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const tag = await reach(sync);
      const next = make(state);
      if (next === state) return state;
      const result = await reach(() => store.write(tag, JSON.stringify(next)));
      found();
      if (result === 'stored') {
        // Replicas may know of more than an empty store: their state would win.
        if (tag !== null || (await outlasts(next))) {
          adopt(next);
          return state;
        }
      } else await sleep(result === 'settling' ? SETTLE_MS / 10 : CONFLICT_MS * Math.random());
    }
    throw new KindredError('UPSTREAM_UNAVAILABLE', 'the rollout changes too fast: try again');
  };
  const reach = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      lost(error);
      throw new KindredError(
        'UPSTREAM_UNAVAILABLE',
        'the shared rollout state can not be reached; nothing is changed unless `models` shows it',
        { cause: error },
      );
    }
  };
  const outlasts = async (next: RolloutState): Promise<boolean> => {
    if (mirror === undefined) return true;
    await sleep(SETTLE_MS);
    const stored = await reach(() => store.read());
    return stored?.text === JSON.stringify(next);
  };

  const poll = async (): Promise<void> => {
    await refresh();
    if (!closed && pollMs > 0) timer = setTimeout(() => void poll(), pollMs);
    timer?.unref();
  };
  await poll();
  return {
    get state() {
      return state;
    },
    get cutOff() {
      return cutOff;
    },
    refresh,
    change,
    close: async () => {
      closed = true;
      clearTimeout(timer);
      await store.close();
    },
  };
}

function parse(text: string): RolloutState {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('what is stored as the rollout state is no JSON');
  }
  const parsed = stateSchema.safeParse(value);
  if (!parsed.success)
    throw new Error('what is stored as the rollout state is none of this version of Kindred');
  return parsed.data;
}

/** What was last known; unreadable, it is nothing. */
async function recall(mirror: StateStore | undefined): Promise<RolloutState | null> {
  try {
    const stored = await mirror?.read();
    return stored ? parse(stored.text) : null;
  } catch {
    return null;
  }
}

async function remember(mirror: StateStore | undefined, state: RolloutState): Promise<void> {
  try {
    const stored = await mirror?.read();
    await mirror?.write(stored?.tag ?? null, JSON.stringify(state));
  } catch {
    // It is for a start without the store only; until then this state is known here.
  }
}
