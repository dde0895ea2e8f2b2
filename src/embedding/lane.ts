/** What a lane orders. */
export interface Queued {
  /** Estimated length in tokens. */
  readonly tokens: number;
}

/** How large a batch may be. */
export interface BatchLimits {
  readonly maxTexts: number;
  /** Padding included. A single text above it makes a batch alone. */
  readonly maxTokens: number;
}

/** A queue that hands out batches of similar length, oldest first. */
export interface Lane<T extends Queued> {
  readonly texts: number;
  /** Sum of the estimated lengths. */
  readonly tokens: number;
  readonly add: (entry: T) => void;
  remove(entry: T): void;
  /** Takes the oldest entry and those nearest to it in length; empty when the lane is. O(longest + batch). */
  take(limits: BatchLimits): T[];
}

/** Makes a lane for texts of up to `longest` tokens; longer ones count as that long. */
export function createLane<T extends Queued>(longest: number): Lane<T> {
  // Both keep the order of arrival, and both delete in O(1).
  const all = new Set<T>();
  const byLength = Array.from({ length: longest + 1 }, () => new Set<T>());
  let tokens = 0;

  const lengthOf = (entry: T): number => Math.min(entry.tokens, longest);
  const remove = (entry: T): void => {
    if (!all.delete(entry)) return;
    byLength[lengthOf(entry)]?.delete(entry);
    tokens -= entry.tokens;
  };

  return {
    get texts() {
      return all.size;
    },
    get tokens() {
      return tokens;
    },
    add: (entry) => {
      all.add(entry);
      byLength[lengthOf(entry)]?.add(entry);
      tokens += entry.tokens;
    },
    remove,
    take: ({ maxTexts, maxTokens }) => {
      const [oldest] = all;
      if (!oldest) return [];
      const batch = [oldest];
      const centre = lengthOf(oldest);
      let padded = centre;
      // By distance in length from the oldest, the nearer and then the shorter first.
      for (let distance = 0; distance <= longest && batch.length < Math.min(maxTexts, all.size); distance++) {
        for (const length of distance === 0 ? [centre] : [centre - distance, centre + distance]) {
          const bucket = byLength[length];
          if (bucket === undefined || bucket.size === 0) continue;
          const wider = Math.max(padded, length);
          for (const entry of bucket) {
            // A longer one may not fit where a shorter one still does.
            if (batch.length >= maxTexts || (batch.length + 1) * wider > maxTokens) break;
            if (entry === oldest) continue;
            padded = wider;
            batch.push(entry);
          }
        }
      }
      batch.forEach(remove);
      return batch;
    },
  };
}
