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

/** Entries by their length, each length in the order of arrival; all operations in O(1). */
type ByLength<T> = (Set<T> | undefined)[];

/**
 * Makes a lane for texts of up to `longest` tokens; longer ones count as that long.
 *
 * Batches are made of one generation at a time, what waited when the one before it was used up, and filled up from the next. Taking those
 * nearest in length from all that waits would let an entry of rare length be overtaken without end: each batch takes its one oldest entry,
 * and else whatever came since in that one's length.
 */
export function createLane<T extends Queued>(longest: number): Lane<T> {
  // In the order of arrival.
  const all = new Set<T>();
  const none = (): ByLength<T> => new Array<undefined>(longest + 1).fill(undefined);
  let generation = none();
  let left = 0;
  let next = none();
  let tokens = 0;

  const lengthOf = (entry: T): number => Math.min(entry.tokens, longest);
  const remove = (entry: T): void => {
    if (!all.delete(entry)) return;
    const length = lengthOf(entry);
    if (generation[length]?.delete(entry) === true) left -= 1;
    else next[length]?.delete(entry);
    tokens -= entry.tokens;
  };

  /** Adds entries of one length to the batch as long as they fit. Answers the length that the batch is padded to. */
  const fill = (
    batch: T[],
    bucket: Set<T> | undefined,
    length: number,
    padded: number,
    { maxTexts, maxTokens }: BatchLimits,
  ): number => {
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

  /** Adds entries by distance in length from `centre`, the nearer and then the shorter first, `most` in all. */
  const fillNearest = (
    batch: T[],
    from: ByLength<T>,
    { centre, padded: start, most }: { centre: number; padded: number; most: number },
    limits: BatchLimits,
  ): number => {
    let padded = fill(batch, from[centre], centre, start, limits);
    for (let distance = 1; distance <= longest && batch.length < most; distance++) {
      if ((batch.length + 1) * padded > limits.maxTokens) break;
      const [shorter, longer] = [centre - distance, centre + distance];
      if (shorter >= 0) padded = fill(batch, from[shorter], shorter, padded, limits);
      if (longer <= longest) padded = fill(batch, from[longer], longer, padded, limits);
    }
    return padded;
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
      (next[lengthOf(entry)] ??= new Set()).add(entry);
      tokens += entry.tokens;
    },
    remove,
    take: (limits) => {
      const [oldest] = all;
      if (!oldest) return [];
      if (left === 0) {
        [generation, next] = [next, generation];
        left = all.size;
      }
      const batch = [oldest];
      const centre = lengthOf(oldest);
      const fits = (count: number): number => Math.min(limits.maxTexts, count);
      const padded = fillNearest(batch, generation, { centre, padded: centre, most: fits(left) }, limits);
      // Those that fitted nowhere else were short of room, not of company.
      if (batch.length === left) fillNearest(batch, next, { centre, padded, most: fits(all.size) }, limits);
      batch.forEach(remove);
      return batch;
    },
  };
}
