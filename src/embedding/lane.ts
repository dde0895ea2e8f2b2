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

  /** Entries by distance in length from `centre`, the nearer and then the shorter first. */
  function* nearest(centre: number): Generator<[number, T]> {
    for (let distance = 0; distance <= longest; distance++) {
      for (const length of distance === 0 ? [centre] : [centre - distance, centre + distance]) {
        for (const entry of byLength[length] ?? []) yield [length, entry];
      }
    }
  }

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
      let padded = lengthOf(oldest);
      for (const [length, entry] of nearest(padded)) {
        if (batch.length >= maxTexts) break;
        if (entry === oldest) continue;
        const wider = Math.max(padded, length);
        if ((batch.length + 1) * wider > maxTokens) {
          // A longer one does not fit any more, but a shorter one might, as long as the batch as it is leaves room.
          if ((batch.length + 1) * padded > maxTokens) break;
          continue;
        }
        padded = wider;
        batch.push(entry);
      }
      batch.forEach(remove);
      return batch;
    },
  };
}
