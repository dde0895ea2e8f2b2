import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Config } from '../config.js';
import { KindredError } from '../errors.js';
import { SPAN, type Telemetry, withSpan } from '../telemetry.js';
import type { Catalogue } from './catalogue.js';
import { type ImportState, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { type Batch, readBatches } from './import-batches.js';
import { ImportError } from './import-error.js';
import { identifyImport } from './import-identity.js';
import { advance, firstState, mergeRejects, stillHolds } from './import-state.js';
import { type EmbeddedBatch, type ImportTarget, createTargetWriter } from './import-target.js';
import { takeLock } from './lock.js';
import { runPipeline } from './pipeline.js';
import { type Rejects, openRejects } from './rejects.js';
import { BULK_RETRY, type RetryPolicy } from './retry.js';

export { IMPORT_EXIT } from './import-error.js';

/** Batches under way at once: one being written, two being embedded, so that no worker waits for the store or the disk. */
const DEPTH = 3;

export interface ImportOptions {
  readonly files: readonly string[];
  readonly catalogue: Catalogue;
  readonly targets: readonly ImportTarget[];
  readonly config: Pick<Config, 'import' | 'embedding'>;
  readonly telemetry: Telemetry;
  /** Checkpoints, lock and dead-letter files go to its folder `imports`. */
  readonly dataFolder: string;
  /** Reads, validates and compares everything, embeds and writes nothing. */
  readonly dryRun?: boolean;
  /** Where rejected rows go; by default a file in the data folder (none for a dry run). */
  readonly rejectedFile?: string;
  /** Aborting finishes the oldest batch in flight and leaves a checkpoint. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImportProgress) => void;
  readonly retry?: RetryPolicy;
}

/** Where an import stands, after each batch that is in. */
export interface ImportProgress {
  readonly phase: 'import' | 'optimize' | 'done';
  /** Bytes of the files that are done, and of all files; packed ones where a file is gzip. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** Rows read, good and bad, those of earlier runs included. */
  readonly read: number;
  readonly rejected: number;
  /** Rows that an interrupted run had done before. */
  readonly resumed: number;
}

/** What an import did to one model version, in rows. */
interface VersionSummary {
  readonly imported: number;
  readonly unchanged: number;
  /** Valid rows whose text this version's model refused. */
  readonly failed: number;
}

export interface ImportSummary {
  /** Rows read, good and bad; runs that this one resumed are included here and in all other counts. */
  readonly read: number;
  readonly rejected: number;
  readonly versions: Readonly<Record<string, VersionSummary>>;
  /** Rows that an interrupted run had done before. */
  readonly resumed: number;
  /** Time in s, over all runs; and of it, building indexes. */
  readonly seconds: number;
  readonly optimizeSeconds: number;
  /** Rows a second of this run, index building left out. */
  readonly rate: number;
  /** The dead-letter file; null when there is none. */
  readonly rejectedFile: string | null;
  /** False when it was interrupted: the same import resumes. */
  readonly finished: boolean;
}

/**
 * Imports files into every target: validates each row, sends bad ones to the dead-letter file, skips those whose content hash the target has,
 * embeds and upserts the others. Killed at any time and started again, it goes on behind the last durable batch. Throws ImportError or KindredError
 * when files, store or models don't allow it to go on; the same import resumes then, too.
 */
export function importFiles(options: ImportOptions): Promise<ImportSummary> {
  const attributes = { 'kindred.files': options.files.length, 'kindred.targets': options.targets.length };
  return withSpan(options.telemetry, SPAN.import, { attributes }, async (span) => {
    const summary = await (options.dryRun === true ? runDry(options) : runLocked(options));
    span.setAttributes({ 'kindred.rows': summary.read, 'kindred.rejected': summary.rejected });
    return summary;
  });
}

async function runLocked(options: ImportOptions): Promise<ImportSummary> {
  const folder = join(options.dataFolder, 'imports');
  await mkdir(folder, { recursive: true });
  const { fingerprint, totalBytes } = await identifyImport(options);
  const release = await takeLock(join(folder, `${options.catalogue.entity}.lock`));
  try {
    const path = join(folder, `${fingerprint}.json`);
    const name = `${basename(options.files[0] ?? '')}-${fingerprint.slice(0, 8)}.rejected.jsonl`;
    const rejectedFile = options.rejectedFile ?? join(folder, name);
    const saved = await readCheckpoint(path);
    const kept = saved !== null && (await stillHolds(saved.done, options.targets)) ? saved : null;
    const rejects = await openRejects(rejectedFile, kept?.done.rejectedBytes ?? 0);
    try {
      return await run(options, { totalBytes, rejects, rejectedFile, path, saved: kept });
    } finally {
      await rejects.close();
    }
  } finally {
    await release();
  }
}

async function runDry(options: ImportOptions): Promise<ImportSummary> {
  const { totalBytes } = await identifyImport(options);
  const { rejectedFile = null } = options;
  const rejects = rejectedFile === null ? null : await openRejects(rejectedFile, 0);
  try {
    return await run(options, { totalBytes, rejects, rejectedFile, path: null, saved: null });
  } finally {
    await rejects?.close();
  }
}

/** What a run keeps on disk; a dry one has no checkpoint. */
interface Journal {
  readonly totalBytes: number;
  readonly rejects: Rejects | null;
  readonly rejectedFile: string | null;
  readonly path: string | null;
  readonly saved: { readonly done: ImportState; readonly pending: ImportState | null } | null;
}

async function run(
  options: ImportOptions,
  { totalBytes, rejects, rejectedFile, path, saved }: Journal,
): Promise<ImportSummary> {
  const { files, catalogue, targets, config, dryRun = false, onProgress, retry = BULK_RETRY } = options;
  const signal = options.signal ?? new AbortController().signal;
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const writers = await Promise.all(
    targets.map((target) =>
      createTargetWriter(target, { ...config.embedding, catalogue, retry, giveUp: signal, dryRun }),
    ),
  );
  let state = saved?.done ?? firstState(targets);
  // The batch that is being written, of which nobody knows whether it is in.
  let inDoubt = saved?.pending ?? null;
  const resumed = state.read;
  let bytes = 0;
  const report = (phase: ImportProgress['phase']): void =>
    onProgress?.({ phase, bytes, totalBytes, read: state.read, rejected: state.rejected, resumed });
  const save = async (): Promise<void> => {
    if (path !== null) await writeCheckpoint(path, { done: state, pending: inDoubt });
  };

  const commit = async ({ batch, work }: { batch: Batch; work: readonly EmbeddedBatch[] }): Promise<void> => {
    const rejected = mergeRejects(batch, work);
    const next = advance(state, batch, work, rejected.length, inDoubt);
    next.rejectedBytes = (await rejects?.append(rejected)) ?? 0;
    next.seconds = (saved?.done.seconds ?? 0) + seconds();
    inDoubt = next;
    await save();
    await Promise.all(writers.map((writer, index) => writer.write(work[index]?.records ?? [])));
    state = next;
    inDoubt = null;
    bytes = batch.bytes;
    report('import');
  };

  report('import');
  const after = state.read > 0 ? { file: state.file, line: state.line } : undefined;
  await runPipeline({
    batches: readBatches({
      files,
      catalogue,
      ...config.import,
      dimensions: Object.fromEntries(targets.map(({ id, embedder }) => [id, embedder.model.dimension])),
      after,
      firstEnd: inDoubt ?? undefined,
      signal,
    }),
    start: async (batch, stop) => ({
      batch,
      work: await Promise.all(writers.map((writer) => writer.embed(batch.rows, stop))),
    }),
    commit,
    depth: DEPTH,
    signal,
  }).then(save, async (error: unknown) => {
    // What stopped it may stop this, too; the checkpoint of the last batch is there then.
    await save().catch(() => undefined);
    // An interruption that met a model which did not answer is one still: the batch is left for the next run.
    if (!signal.aborted) throw explain(error);
  });
  const importSeconds = seconds();
  const finished = !signal.aborted;
  if (finished) bytes = totalBytes;
  if (finished && !dryRun) {
    report('optimize');
    for (const { collection } of targets) await collection.optimize();
    if (path !== null) await rm(path, { force: true });
  }
  report('done');
  return {
    read: state.read,
    rejected: state.rejected,
    versions: state.versions,
    resumed,
    seconds: (saved?.done.seconds ?? 0) + seconds(),
    optimizeSeconds: seconds() - importSeconds,
    rate: (state.read - resumed) / importSeconds,
    rejectedFile: state.rejected > 0 ? rejectedFile : null,
    finished,
  };
}

function explain(error: unknown): unknown {
  if (!(error instanceof KindredError)) return error;
  const advice = error.retry ? '; the same import goes on where it stopped' : '';
  return new ImportError(`the import stopped: ${error.code}: ${error.message}${advice}`, { cause: error });
}
