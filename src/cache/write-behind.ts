import { isBypass } from './guard.js';
import type { CacheEntry, WriteCounts } from './tier.js';

/** Entries written at once. */
const BATCH = 64;

export interface WriteBehindOptions {
  /** Writes a batch; its failure loses the batch and nothing else. */
  readonly write: (entries: readonly CacheEntry[]) => Promise<void>;
  /** Bytes of values that may wait; beyond, values are dropped. */
  readonly maxWaitingBytes: number;
  readonly count: (outcome: WriteOutcome, entries: number) => void;
}

/** What became of an entry. */
export type WriteOutcome = keyof WriteCounts;

/** Writes behind the responses, one batch after the other. */
export interface WriteBehind {
  add(entries: readonly CacheEntry[]): void;
  /** Resolves when nothing waits. */
  flush(): Promise<void>;
}

/** Makes a queue of writes that is bounded in bytes: a lost write is a miss later, a queue without bound is a process without memory. */
export function createWriteBehind({ write, maxWaitingBytes, count }: WriteBehindOptions): WriteBehind {
  const waiting = new Map<string, string>();
  let bytes = 0;
  let running: Promise<void> | undefined;

  async function drain(): Promise<void> {
    while (waiting.size > 0) {
      const entries = [...waiting.entries()].slice(0, BATCH).map(([key, value]) => ({ key, value }));
      for (const { key, value } of entries) {
        waiting.delete(key);
        bytes -= value.length;
      }
      try {
        await write(entries);
        count('written', entries.length);
      } catch (error) {
        count(isBypass(error) ? 'dropped' : 'error', entries.length);
      }
    }
    running = undefined;
  }

  return {
    add: (entries) => {
      let dropped = 0;
      for (const { key, value } of entries) {
        if (waiting.has(key)) continue;
        if (bytes + value.length > maxWaitingBytes) {
          dropped += 1;
          continue;
        }
        waiting.set(key, value);
        bytes += value.length;
      }
      if (dropped > 0) count('dropped', dropped);
      running ??= drain();
    },
    flush: () => running ?? Promise.resolve(),
  };
}
