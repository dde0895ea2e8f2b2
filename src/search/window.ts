import { LRUCache } from 'lru-cache';
import { KindredError, abortError, throwIfAborted } from '../errors.js';
import type { Hit } from '../vectors/store.js';

/** The first hits of a query, all that paging moves inside of, and what they cost when they were fetched. */
export interface Window {
  readonly hits: readonly Hit[];
  /** Time spent on embedding, in ms. */
  readonly embedMs: number;
  /** Time spent in the vector store, in ms. */
  readonly searchMs: number;
}

/** A window as it is handed out. */
export interface WindowAnswer {
  readonly window: Window;
  /** Whether this call computed the window itself. */
  readonly computed: boolean;
}

/** Windows of recent queries. */
export interface Windows {
  /** The window under `key`, by `compute` when there is none; calls for the same key at the same time share one computation. */
  get(key: string, compute: () => Promise<Window>, signal: AbortSignal): Promise<WindowAnswer>;
}

export interface WindowsOptions {
  readonly maxEntries: number;
  /** Time that a window stays, in ms; 0 keeps none. */
  readonly ttlMs: number;
}

/** Windows kept in memory, the least recently used dropped first. */
export function createWindows({ maxEntries, ttlMs }: WindowsOptions): Windows {
  const kept = new LRUCache<string, Window>({ max: maxEntries, ttl: ttlMs });
  const flights = new Map<string, Promise<Window>>();
  const aborted = createAborts();

  const lead = (key: string, compute: () => Promise<Window>): Promise<Window> => {
    const flight = compute()
      .then((window) => {
        // A ttl of 0 means forever to lru-cache.
        if (ttlMs > 0) kept.set(key, window);
        return window;
      })
      .finally(() => flights.delete(key));
    flights.set(key, flight);
    return flight;
  };

  return {
    get: async (key, compute, signal) => {
      for (;;) {
        throwIfAborted(signal);
        const window = kept.get(key);
        if (window !== undefined) return { window, computed: false };
        const flight = flights.get(key);
        if (flight === undefined) return { window: await lead(key, compute), computed: true };
        try {
          return { window: await Promise.race([flight, aborted(signal)]), computed: false };
        } catch (error) {
          // Whoever computes may be cancelled: that is its own affair, and the next in line computes.
          if (!(error instanceof KindredError) || !LEADER_ONLY.has(error.code)) throw error;
        }
      }
    },
  };
}

const LEADER_ONLY: ReadonlySet<string> = new Set(['REQUEST_CANCELLED', 'DEADLINE_EXCEEDED']);

/** One promise a signal, however many windows a request waits for: it rejects when the signal is aborted. */
function createAborts(): (signal: AbortSignal) => Promise<never> {
  const aborts = new WeakMap<AbortSignal, Promise<never>>();
  return (signal) => {
    const known = aborts.get(signal);
    if (known !== undefined) return known;
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(abortError(signal)), { once: true });
    });
    // Nobody may be waiting any more when it happens.
    aborted.catch(() => undefined);
    aborts.set(signal, aborted);
    return aborted;
  };
}
