import { BULK_RETRY, withRetry } from '../catalogue/retry.js';
import type { Collection } from './store.js';

/** Records moved at once: a few megabytes with their vectors. */
const BATCH = 1_000;

/** Where a migration stands, in records. */
export interface MigrationProgress {
  readonly total: number;
  readonly read: number;
  readonly written: number;
}

export interface MigrationSummary extends MigrationProgress {
  /** Records of the target that the source has not: they stay. */
  readonly extra: number;
}

export interface MigrationOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: MigrationProgress) => void;
}

/** What records are copied from: a collection, or a file of vectors. */
export type MigrationSource = Pick<Collection, 'count' | 'scan'>;

/**
 * Copies every record of `source` that `target` does not have with the same hash, and has the target build its index. Started again after
 * any end it writes what is missing alone, so it needs no checkpoint; an empty target takes very many by its bulk load first. Throws when the target misses a record at the end.
 */
export async function migrate(
  source: MigrationSource,
  target: Collection,
  { signal, onProgress }: MigrationOptions,
): Promise<MigrationSummary> {
  const again = <T>(work: () => Promise<T>): Promise<T> => withRetry(BULK_RETRY, signal, work);
  const total = await again(() => source.count());
  let [read, written] = [0, 0];
  const { bulk } = target;
  if (bulk !== undefined && total >= bulk.fromRows) {
    // What a load that was cut off began may still come in, and is not seen before its index serves it.
    await bulk.settled(signal);
    await again(() => target.optimize());
    if ((await again(() => target.count())) === 0) {
      await bulk.load(source.scan({ batch: BATCH, signal }), {
        signal,
        onProgress: (records) => {
          written = records;
          onProgress?.({ total, read: records, written });
        },
      });
      await again(() => target.optimize());
    }
  }
  const loaded = written;
  for await (const records of source.scan({ batch: BATCH, signal })) {
    const known = await again(() => target.hashes(records.map(({ item }) => item.id)));
    // An adopted collection knows no hashes: whether its records have changed can't be told.
    const missing = records.filter(({ hash }, at) => hash === '' || known[at] !== hash);
    if (missing.length > 0) await again(() => target.upsert(missing));
    read += records.length;
    written += missing.length;
    onProgress?.({ total, read, written });
  }
  if (written > loaded) await again(() => target.optimize());
  const there = await again(() => target.count());
  if (there < read)
    throw new Error(`expected the target to have ${String(read)} records, but it has ${String(there)}`);
  return { total, read, written, extra: there - read };
}
