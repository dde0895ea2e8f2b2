import type { Catalogue } from '../catalogue/catalogue.js';
import { BULK_RETRY, withRetry } from '../catalogue/retry.js';
import type { Collection } from '../vectors/store.js';
import { expectedOf } from './expected.js';

/** Records compared at once. */
const BATCH = 1_000;
/** Keys that are named of those that differ. */
const SHOWN = 10;

/** How a version's collection compares with the one that is the source of record. */
export interface Comparison {
  /** Items of the source, and how many of them the target has from the same content. */
  readonly rows: number;
  readonly equal: number;
  readonly missing: number;
  /** Made from other content. */
  readonly differing: number;
  /** Only in the target. */
  readonly extra: number;
  /** Keys of some that are missing or differ. */
  readonly examples: readonly string[];
}

export interface VerifyOptions {
  readonly catalogue: Catalogue;
  /** The source of record. */
  readonly source: Collection;
  readonly target: Collection;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: { readonly read: number; readonly total: number }) => void;
}

/** Whether a comparison found both sides equal. */
export function isComplete({ rows, equal, extra }: Comparison): boolean {
  return rows === equal && extra === 0;
}

/** Compares every key and content hash of two collections of one catalogue. Throws what the stores throw. */
export async function verify({
  catalogue,
  source,
  target,
  signal,
  onProgress,
}: VerifyOptions): Promise<Comparison> {
  const again = <T>(work: () => Promise<T>): Promise<T> => withRetry(BULK_RETRY, signal, work);
  const total = await again(() => source.count());
  let [rows, equal, missing, differing] = [0, 0, 0, 0];
  const examples: string[] = [];
  for await (const records of source.scan({ batch: BATCH, signal })) {
    const ids = records.map(({ item }) => item.id);
    const known = await again(() => target.hashes(ids));
    const suspects = ids.filter((_, at) => {
      const record = records[at];
      return record !== undefined && known[at] !== expectedOf(catalogue, record.item).hash;
    });
    rows += ids.length;
    equal += ids.length - suspects.length;
    if (suspects.length > 0) {
      // What was changed since it was read looks like a fault, so suspects are looked at again.
      const items = await again(() => source.fetch(suspects));
      const hashes = await again(() => target.hashes(suspects));
      suspects.forEach((id, at) => {
        const [item, hash] = [items[at] ?? null, hashes[at] ?? null];
        if (item === null) rows -= 1;
        else if (hash === expectedOf(catalogue, item).hash) equal += 1;
        else {
          if (hash === null) missing += 1;
          else differing += 1;
          if (examples.length < SHOWN) examples.push(id);
        }
      });
    }
    onProgress?.({ read: rows, total });
  }
  const there = await again(() => target.count());
  return { rows, equal, missing, differing, examples, extra: Math.max(0, there - equal - differing) };
}

/** What a comparison found, in words. */
export function describeComparison({ rows, equal, missing, differing, extra, examples }: Comparison): string {
  const faults = [
    missing > 0 && `${String(missing)} are missing`,
    differing > 0 && `${String(differing)} were made from other content`,
    extra > 0 && `${String(extra)} are there that should not be`,
  ].filter((each) => each !== false);
  const head = `${String(equal)} of ${String(rows)} items are there`;
  if (faults.length === 0) return head;
  return `${head}; ${faults.join(', ')}${examples.length > 0 ? ` (e.g. ${examples.join(', ')})` : ''}`;
}
