import type { ImportState } from './checkpoint.js';
import type { Batch } from './import-batches.js';
import type { EmbeddedBatch, ImportTarget } from './import-target.js';
import type { Reject } from './rejects.js';

/** The state before the first row. */
export function firstState(targets: readonly ImportTarget[]): ImportState {
  const versions = Object.fromEntries(
    targets.map(({ id }) => [id, { imported: 0, unchanged: 0, failed: 0 }]),
  );
  return { file: 0, line: 0, read: 0, rejected: 0, rejectedBytes: 0, versions, seconds: 0 };
}

/** The state behind a batch. A batch that an interrupted run may have written already is counted as that run counted it. */
export function advance(
  state: ImportState,
  batch: Batch,
  work: readonly EmbeddedBatch[],
  rejected: number,
  pending: ImportState | null,
): ImportState {
  const versions = { ...state.versions };
  for (const { id, records, unchanged, rejects } of work) {
    const before = state.versions[id] ?? { imported: 0, unchanged: 0, failed: 0 };
    const counted = {
      imported: before.imported + records.length,
      unchanged: before.unchanged + unchanged,
      failed: before.failed + rejects.length,
    };
    const earlier = pending?.versions[id];
    versions[id] = earlier?.failed === counted.failed ? earlier : counted;
  }
  return {
    ...batch.end,
    read: state.read + batch.rows.length + batch.rejects.length,
    rejected: state.rejected + rejected,
    rejectedBytes: state.rejectedBytes,
    versions,
    seconds: state.seconds,
  };
}

/** All rejects of a batch by line; a row that several models refused is one. */
export function mergeRejects(batch: Batch, work: readonly EmbeddedBatch[]): Reject[] {
  const byPlace = new Map(batch.rejects.map((reject) => [`${String(reject.line)} ${reject.file}`, reject]));
  for (const reject of work.flatMap(({ rejects }) => rejects)) {
    const place = `${String(reject.line)} ${reject.file}`;
    const other = byPlace.get(place);
    byPlace.set(
      place,
      other === undefined ? reject : { ...other, reasons: [...other.reasons, ...reject.reasons] },
    );
  }
  return [...byPlace.values()];
}

/** Whether a checkpoint tells the truth about its targets: not when one has lost all its rows (a memory store, a removed folder). */
export async function stillHolds(done: ImportState, targets: readonly ImportTarget[]): Promise<boolean> {
  for (const { id, collection } of targets) {
    const counts = done.versions[id];
    if (counts === undefined) return false;
    if (counts.imported + counts.unchanged > 0 && (await collection.count()) === 0) return false;
  }
  return true;
}
