/** A key and how often it was seen. */
export interface Counted {
  readonly key: string;
  /** Too high by `error` at most. */
  readonly count: number;
  readonly error: number;
}

/** The most frequent of a stream of keys, in constant space. */
export interface Sketch {
  add(key: string): void;
  has(key: string): boolean;
  /** The most frequent keys, most frequent first. */
  top(count: number): Counted[];
}

/**
 * Space-saving (Metwally, Agrawal & El Abbadi 2005): `capacity` counters; a key without one takes over the lowest counter with its count. Every key that
 * makes up more than 1 / `capacity` of the stream has a counter, and no count is too low. Counters of one count share a bucket, so that adding takes
 * constant time.
 */
export function createSketch(capacity: number): Sketch {
  const counters = new Map<string, { count: number; error: number }>();
  /** Keys by count, in the order in which they reached it. */
  const buckets = new Map<number, Set<string>>();
  let lowest = 0;

  const put = (key: string, count: number, error: number): void => {
    counters.set(key, { count, error });
    const bucket = buckets.get(count) ?? new Set();
    bucket.add(key);
    buckets.set(count, bucket);
  };
  const take = (key: string, count: number): void => {
    const bucket = buckets.get(count);
    bucket?.delete(key);
    if (bucket?.size !== 0) return;
    buckets.delete(count);
    // The next one up: the key that left goes there.
    if (count === lowest) lowest = count + 1;
  };

  return {
    add: (key) => {
      const known = counters.get(key);
      if (known !== undefined) {
        take(key, known.count);
        put(key, known.count + 1, known.error);
        return;
      }
      if (counters.size < capacity) {
        put(key, 1, 0);
        lowest = 1;
        return;
      }
      while (!buckets.has(lowest)) lowest += 1;
      const [victim = ''] = buckets.get(lowest) ?? [];
      const count = lowest;
      take(victim, count);
      counters.delete(victim);
      put(key, count + 1, count);
    },
    has: (key) => counters.has(key),
    top: (count) =>
      Array.from(counters, ([key, { count: seen, error }]) => ({ key, count: seen, error }))
        .sort((a, b) => b.count - a.count)
        .slice(0, count),
  };
}
