import { LRUCache } from 'lru-cache';
import { type Sketch, createSketch } from './sketch.js';

/** Counters for each text that is wanted: with few, rare texts would push one another out. */
const SPARE = 4;
/** Tenants that are counted by themselves, those of the latest requests; and how many of all counters one of them has. */
const TENANTS = 100;
const PART = 10;

/** The most frequent keys of a stream, overall or tenant by tenant. */
export interface Frequent {
  add(key: string, tenant?: string): void;
  /** Whether a key is counted: the frequent ones are. */
  has(key: string, tenant?: string): boolean;
  /** The `wanted` most frequent keys; those of tenants in turn, each tenant's most frequent first. */
  top(): string[];
}

/** Counts for `wanted` keys in constant memory. Without tenants, all requests count as one's. */
export function createFrequent(wanted: number, { perTenant }: { readonly perTenant: boolean }): Frequent {
  const counters = Math.max(1, wanted * SPARE);
  const sketches = new LRUCache<string, Sketch>({ max: perTenant ? TENANTS : 1 });
  const nameOf = (tenant: string | undefined): string => (perTenant ? (tenant ?? '') : '');
  const capacity = perTenant ? Math.ceil(counters / PART) : counters;
  return {
    add: (key, tenant) => {
      const name = nameOf(tenant);
      let sketch = sketches.get(name);
      if (sketch === undefined) sketches.set(name, (sketch = createSketch(capacity)));
      sketch.add(key);
    },
    has: (key, tenant) => sketches.peek(nameOf(tenant))?.has(key) === true,
    top: () => {
      const lists = [...sketches.values()].map((sketch) => sketch.top(wanted));
      const keys = new Set<string>();
      const longest = Math.max(0, ...lists.map((list) => list.length));
      for (let rank = 0; rank < longest; rank += 1)
        for (const list of lists) {
          const key = list[rank]?.key;
          if (key !== undefined && keys.size < wanted) keys.add(key);
        }
      return [...keys];
    },
  };
}
