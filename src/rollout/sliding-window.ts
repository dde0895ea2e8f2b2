/** Parts of a window: it moves by one of them at a time. */
const PARTS = 20;
/** Classes of times: each reaches 10% further than the one before, from 0.1 ms to some two minutes. */
const CLASSES = 150;
const GROWTH = 1.1;
const FIRST_MS = 0.1;

/** How one request went. */
export interface RequestOutcome {
  /** Time that it took; null where that says nothing about the version. */
  readonly ms: number | null;
  readonly failed: boolean;
  /** Whether it found nothing. */
  readonly empty: boolean;
}

/** What a window holds. */
export interface WindowStats {
  readonly requests: number;
  /** Shares of them, 0 to 1; 0 without requests. */
  readonly errorRate: number;
  readonly emptyRate: number;
  /** 95th percentile of the times that were told, in ms, to 10%; 0 without them. */
  readonly p95Ms: number;
}

/** Requests of the last `windowMs`. */
export interface SlidingWindow {
  add(outcome: RequestOutcome): void;
  stats(): WindowStats;
}

interface Part {
  number: number;
  requests: number;
  failed: number;
  empty: number;
  readonly times: Uint32Array;
}

/** Makes a window of constant size, however many requests come. */
export function createSlidingWindow(
  windowMs: number,
  now: () => number = () => performance.now(),
): SlidingWindow {
  const partMs = windowMs / PARTS;
  const parts: Part[] = Array.from({ length: PARTS }, () => ({
    number: -1,
    requests: 0,
    failed: 0,
    empty: 0,
    times: new Uint32Array(CLASSES),
  }));
  const current = (): Part | undefined => {
    const number = Math.floor(now() / partMs);
    const part = parts[number % PARTS];
    if (part !== undefined && part.number !== number) {
      Object.assign(part, { number, requests: 0, failed: 0, empty: 0 });
      part.times.fill(0);
    }
    return part;
  };

  return {
    add: ({ ms, failed, empty }) => {
      const part = current();
      if (part === undefined) return;
      part.requests += 1;
      if (failed) part.failed += 1;
      else {
        if (empty) part.empty += 1;
        if (ms === null) return;
        const at = classOf(ms);
        part.times[at] = (part.times[at] ?? 0) + 1;
      }
    },
    stats: () => {
      const oldest = Math.floor(now() / partMs) - PARTS;
      const alive = parts.filter(({ number }) => number > oldest);
      const sum = (pick: (part: Part) => number): number =>
        alive.reduce((total, part) => total + pick(part), 0);
      const requests = sum((part) => part.requests);
      const failed = sum((part) => part.failed);
      return {
        requests,
        errorRate: requests === 0 ? 0 : failed / requests,
        emptyRate: requests === failed ? 0 : sum((part) => part.empty) / (requests - failed),
        p95Ms: percentile(alive, 0.95),
      };
    },
  };
}

function classOf(ms: number): number {
  const at = Math.ceil(Math.log(Math.max(ms, FIRST_MS) / FIRST_MS) / Math.log(GROWTH));
  return Math.min(CLASSES - 1, at);
}

function percentile(parts: readonly Part[], share: number): number {
  const times = Array.from({ length: CLASSES }, (_, at) =>
    parts.reduce((sum, part) => sum + (part.times[at] ?? 0), 0),
  );
  let left = Math.ceil(share * times.reduce((sum, count) => sum + count, 0));
  if (left === 0) return 0;
  for (const [at, count] of times.entries()) {
    left -= count;
    if (left <= 0) return FIRST_MS * GROWTH ** at;
  }
  return Infinity;
}
