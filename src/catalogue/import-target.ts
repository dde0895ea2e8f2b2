import type { Embedder } from '../embedding/embedder.js';
import { KindredError, badInput } from '../errors.js';
import type { Collection, VectorRecord } from '../vectors/store.js';
import { createBulkEmbedder } from './bulk-embed.js';
import type { Catalogue } from './catalogue.js';
import { contentHash, withVector } from './hash.js';
import type { PreparedRow } from './import-batches.js';
import { createLedger } from './ledger.js';
import type { Reject } from './rejects.js';
import { type RetryPolicy, withRetry } from './retry.js';
import { renderText } from './template.js';

/** Records of one upsert: every store takes as many. */
const UPSERT_RECORDS = 4_096;

/** A model version to import into. */
export interface ImportTarget {
  readonly id: string;
  readonly embedder: Embedder;
  readonly collection: Collection;
  /** What makes its texts, where that is another catalogue than the import's. */
  readonly catalogue?: Catalogue;
}

/** A batch as one version has it. */
export interface EmbeddedBatch {
  readonly id: string;
  /** New or changed ones. */
  readonly records: readonly VectorRecord[];
  readonly unchanged: number;
  /** Rows whose text the model refused. */
  readonly rejects: readonly Reject[];
}

/** One version's side of an import. */
export interface TargetWriter {
  /** Finds the rows that are new or changed and embeds them. */
  embed(rows: readonly PreparedRow[], signal: AbortSignal): Promise<EmbeddedBatch>;
  /** Upserts records; durable when it resolves. */
  write(records: readonly VectorRecord[]): Promise<void>;
}

export interface TargetWriterOptions {
  /** What the version's queue takes: an import fills half of it, the rest is for requests. */
  readonly maxQueueTexts: number;
  readonly maxQueueTokens: number;
  readonly retry: RetryPolicy;
  readonly giveUp: AbortSignal;
  readonly catalogue: Catalogue;
  /** Only compares: records get empty vectors and are not written. */
  readonly dryRun: boolean;
}

/** Makes the writer of a target. */
export async function createTargetWriter(
  { id, embedder, collection, ...target }: ImportTarget,
  { maxQueueTexts, maxQueueTokens, retry, giveUp, catalogue, dryRun }: TargetWriterOptions,
): Promise<TargetWriter> {
  const bulk = createBulkEmbedder(embedder, {
    maxTexts: Math.max(1, Math.floor(maxQueueTexts / 2)),
    maxTokens: Math.max(1, Math.floor(maxQueueTokens / 2)),
    retry,
    giveUp,
  });
  const again = <T>(work: () => Promise<T>): Promise<T> => withRetry(retry, giveUp, work);
  const own = target.catalogue ?? catalogue;
  const ledger = createLedger({ bulk, catalogue: own, collection, again });
  /** A row as this version has it. */
  const ownRow = (row: PreparedRow): PreparedRow => {
    if (own.template === catalogue.template) return row;
    const text = renderText(own, row.item);
    return { ...row, text, hash: contentHash(row.item, text) };
  };
  // An import reads each key once, so in a collection that was empty nothing can be unchanged.
  const wasEmpty = (await withRetry(retry, giveUp, () => collection.count())) === 0;
  const vectorsOf = async (
    changed: readonly { readonly row: PreparedRow; readonly known: string | null }[],
    signal: AbortSignal,
  ): Promise<(Float32Array | KindredError)[]> => {
    if (dryRun) return changed.map(() => new Float32Array());
    const entries = changed.flatMap(({ row: { item, vectors, text }, known }) =>
      vectors[id] === undefined ? [{ id: item.id, text, known }] : [],
    );
    const outcomes = (await ledger.embed(entries, signal)).values();
    return changed.map(({ row: { vectors } }) => {
      const given = vectors[id];
      if (given !== undefined) return given;
      const outcome = outcomes.next().value ?? badInput('the model gave no answer');
      return outcome instanceof KindredError ? outcome : outcome.vector;
    });
  };

  return {
    embed: async (given, signal) => {
      const rows = given.map(ownRow);
      const hashed = rows.map((row) => {
        const vector = row.vectors[id];
        return { row, hash: vector === undefined ? row.hash : withVector(row.hash, vector) };
      });
      const ids = rows.map(({ item }) => item.id);
      const known = wasEmpty ? [] : await withRetry(retry, giveUp, () => collection.hashes(ids));
      const changed = hashed.flatMap(({ row, hash }, index) =>
        known[index] === hash ? [] : [{ row, hash, known: known[index] ?? null }],
      );
      const vectors = await vectorsOf(changed, signal);
      const records: VectorRecord[] = [];
      const rejects: Reject[] = [];
      changed.forEach(({ row, hash }, index) => {
        const vector = vectors[index];
        if (vector instanceof Float32Array) records.push({ item: row.item, vector, hash });
        else rejects.push(refused(id, row, vector));
      });
      return { id, records, unchanged: rows.length - changed.length, rejects };
    },
    write: async (records) => {
      if (dryRun) return;
      for (let at = 0; at < records.length; at += UPSERT_RECORDS) {
        const part = records.slice(at, at + UPSERT_RECORDS);
        await withRetry(retry, giveUp, () => collection.upsert(part));
      }
    },
  };
}

function refused(
  id: string,
  { file, line, item, raw }: PreparedRow,
  error: KindredError | undefined,
): Reject {
  const reason = `template: expected a text that ${id} can embed, received one it refused: ${error?.message ?? 'no answer'}`;
  return { file, line, id: item.id, reasons: [reason], row: raw };
}
