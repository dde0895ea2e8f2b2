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
  /** The one that `take` starts from. */
  readonly oldest: T | undefined;
  readonly add: (entry: T) => void;
  remove(entry: T): void;
  /** Takes the oldest entry and those nearest to it in length; empty when the lane is. O(longest + batch). */
  take(limits: BatchLimits): T[];
}

/** Makes a lane for texts of up to `longest` tokens; longer ones count as that long. */
export function createLane<T extends Queued>(longest: number): Lane<T> {
  // Both keep the order of arrival, and both delete in O(1).
  const all = new Set<T>();
  const byLength: (Set<T> | undefined)[] = new Array<undefined>(longest + 1).fill(undefined);
  let tokens = 0;

  const lengthOf = (entry: T): number => Math.min(entry.tokens, longest);
  const remove = (entry: T): void => {
    if (!all.delete(entry)) return;
    byLength[lengthOf(entry)]?.delete(entry);
    tokens -= entry.tokens;
  };

  /** Adds entries of one length to the batch as long as they fit. Answers the length that the batch is padded to. */
  const fill = (batch: T[], length: number, padded: number, { maxTexts, maxTokens }: BatchLimits): number => {
    const bucket = byLength[length];
    if (bucket === undefined || bucket.size === 0) return padded;
    const wider = Math.max(padded, length);
    let filled = padded;
    for (const entry of bucket) {
      // A longer one may not fit where a shorter one still does.
      if (batch.length >= maxTexts || (batch.length + 1) * wider > maxTokens) break;
      if (entry === batch[0]) continue;
      filled = wider;
      batch.push(entry);
    }
    return filled;
  };

  return {
    get texts() {
      return all.size;
    },
    get tokens() {
      return tokens;
    },
    get oldest() {
      for (const entry of all) return entry;
      return undefined;
    },
    add: (entry) => {
      all.add(entry);
      (byLength[lengthOf(entry)] ??= new Set()).add(entry);
      tokens += entry.tokens;
    },
    remove,
    take: (limits) => {
      const [oldest] = all;
      if (!oldest) return [];
      const batch = [oldest];
      const most = Math.min(limits.maxTexts, all.size);
      const centre = lengthOf(oldest);
      let padded = fill(batch, centre, centre, limits);
      // By distance in length from the oldest, the nearer and then the shorter first.
      for (let distance = 1; distance <= longest && batch.length < most; distance++) {
        if ((batch.length + 1) * padded > limits.maxTokens) break;
        if (distance <= centre) padded = fill(batch, centre - distance, padded, limits);
        if (centre + distance <= longest) padded = fill(batch, centre + distance, padded, limits);
      }
      batch.forEach(remove);
      return batch;
    },
  };
}
