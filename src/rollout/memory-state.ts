import type { StateStore, StoredState } from './state-store.js';

/** A state that ends with the process. */
export function createMemoryState(): StateStore {
  let stored: StoredState | null = null;
  let writes = 0;
  return {
    name: 'memory',
    read: () => Promise.resolve(stored),
    write: (expected, text) => {
      if ((stored?.tag ?? null) !== expected) return Promise.resolve('conflict');
      writes += 1;
      stored = { tag: String(writes), text };
      return Promise.resolve('stored');
    },
    close: () => Promise.resolve(),
  };
}
