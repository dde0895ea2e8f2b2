import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BULK_RETRY, withRetry } from '../catalogue/retry.js';
import type { Config } from '../config.js';
import { KindredError, throwIfAborted } from '../errors.js';
import type { ModelRegistry, ServedModel } from '../models/model-version.js';
import { type BackfillProgress, type BackfillSummary, backfill } from './backfill.js';
import { type GateReport, calibrationsOf, runGate, summaryOf } from './gate.js';
import type { Pairs } from './pairs.js';
import type { Rollout } from './rollout.js';
import { type Shard, WHOLE, shardName } from './shard.js';
import { type Actor, recordOf, refusal, stableOf } from './state.js';
import { type Comparison, describeComparison, isComplete, verify } from './verify.js';

/** How often progress goes into the shared state, in ms. */
const NOTE_MS = 1_000;
/** How often a backfill is run again until it and the source agree: each run does what the one before missed. */
const PASSES = 5;
/** How often a version that loads is looked at, in ms; and how long one that fails may be tried again before that counts. */
const LOADING_MS = 25;
const FAILING_MS = 8_000;

export interface JobsOptions {
  readonly rollout: Rollout;
  readonly registry: ModelRegistry;
  readonly config: Pick<Config, 'data' | 'rollout'>;
  /** Rejects when there is no model of this name that could be loaded. */
  readonly check: (id: string) => Promise<unknown>;
  /** Whether requests wait for what a backfill uses. */
  readonly busy?: () => boolean;
  /** Share of its time that a backfill may be at work, 0 to 1, and texts that it has at the embedder at once. */
  readonly maxShare: number;
  readonly maxTexts: number;
}

export interface JobOptions {
  readonly actor: Actor;
  readonly signal: AbortSignal;
}

/** The long steps of a rollout: each does its work and notes in the shared state what came of it. */
export interface Jobs {
  /** Makes a version known, and waits until it can answer. Throws what keeps it from that. */
  load(id: string, options: JobOptions): Promise<ServedModel>;
  /** Embeds the catalogue into a version, again until it has what the stable one has. A whole one is verified at its end. */
  backfill(
    id: string,
    options: JobOptions & {
      readonly shard?: Shard;
      readonly onProgress?: (progress: BackfillProgress) => void;
    },
  ): Promise<BackfillSummary>;
  /** Compares a version with the stable one; what is complete is noted as verified. */
  verify(
    id: string,
    options: JobOptions & { readonly onProgress?: (progress: { read: number; total: number }) => void },
  ): Promise<Comparison>;
  /** Holds a version against the stable one; the whole record goes to the data folder. */
  gate(
    id: string,
    options: JobOptions & {
      readonly pairs: Pairs;
      readonly queries?: readonly string[];
      readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
    },
  ): Promise<{ readonly report: GateReport; readonly file: string }>;
}

/** Makes the jobs of a process. */
export function createJobs(options: JobsOptions): Jobs {
  const { rollout, registry, config, check, busy, maxShare, maxTexts } = options;
  const servedNow = (id: string): ServedModel | undefined =>
    registry.served().find(({ version }) => version.id === id);

  const loaded = async (id: string, signal: AbortSignal): Promise<ServedModel> => {
    const until = performance.now() + FAILING_MS;
    for (;;) {
      const model = servedNow(id);
      if (model !== undefined) return model;
      const fault = registry.faults()[id];
      if (fault !== undefined && performance.now() > until)
        throw new KindredError('MODEL_VERSION_UNAVAILABLE', `model version ${id} is not ready: ${fault}`);
      throwIfAborted(signal);
      await sleep(LOADING_MS);
    }
  };
  const load: Jobs['load'] = async (id, { actor, signal }) => {
    const known = rollout.replica.state.versions[id]?.state;
    if (known === undefined || known === 'gone') {
      await check(id).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        throw new KindredError('MODEL_VERSION_NOT_FOUND', reason, { cause: error });
      });
      await rollout.add(id, actor);
    }
    registry.sync();
    return loaded(id, signal);
  };
  const source = (signal: AbortSignal): Promise<ServedModel> =>
    loaded(stableOf(rollout.replica.state), signal);

  /** Compares with what is, or was, the stable version, and notes what is complete. */
  const compare = async (
    id: string,
    from: ServedModel,
    { actor, signal, onProgress }: Parameters<Jobs['verify']>[1],
  ): Promise<Comparison> => {
    const to = await loaded(id, signal);
    const comparison = await verify({
      ...{ catalogue: to.catalogue, signal, onProgress },
      source: from.collection,
      target: to.collection,
    });
    if (isComplete(comparison)) {
      const { rows } = comparison;
      const verified = { at: new Date().toISOString(), against: from.version.id, rows };
      await patiently(signal, () => rollout.noteVerified(id, verified, actor));
    }
    return comparison;
  };

  return {
    load,
    backfill: async (id, { actor, signal, shard = WHOLE, onProgress }) => {
      const to = await load(id, { actor, signal });
      if (id === stableOf(rollout.replica.state))
        throw refusal(`${id} is stable: it is what others are filled from`);
      await patiently(signal, () => rollout.beginBackfill(id, actor));
      const from = await source(signal);
      const note = createNotes(rollout, id, shardName(shard));
      for (let pass = 1; ; pass += 1) {
        const summary = await backfill({
          ...{ catalogue: to.catalogue, shard, maxShare, maxTexts, signal },
          ...(busy !== undefined && { busy }),
          source: from.collection,
          target: to.collection,
          embedder: to.embedder,
          batchSize: config.rollout.backfill.batchSize,
          onProgress: (progress) => {
            void note(progress, false);
            onProgress?.(progress);
          },
        });
        await patiently(signal, () => note(summary, summary.refused.length === 0));
        if (shard.count > 1 || summary.refused.length > 0) return summary;
        const comparison = await compare(id, from, { actor, signal });
        if (isComplete(comparison)) return summary;
        if (pass === PASSES)
          throw new Error(
            `${id} does not come to an end, as the source changes too fast: ${describeComparison(comparison)}`,
          );
      }
    },
    verify: async (id, job) => {
      await load(id, job);
      return compare(id, await source(job.signal), job);
    },
    gate: async (id, { actor, signal, ...gate }) => {
      const [candidate, baseline] = [await load(id, { actor, signal }), await source(signal)];
      if (candidate.version.id === baseline.version.id)
        throw refusal(`${id} is stable: it is what others are held against`);
      const report = await runGate({
        ...{ candidate, baseline, signal },
        settings: config.rollout.gate,
        ...gate,
      });
      const folder = join(config.data, 'rollout', 'gates');
      await mkdir(folder, { recursive: true });
      const file = join(folder, `${id}-${report.digest.slice(0, 12)}.json`);
      await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
      const { state } = recordOf(rollout.replica.state, id);
      if (state !== 'gone')
        await patiently(signal, () => rollout.noteGate(id, summaryOf(report), actor, calibrationsOf(report)));
      return { report, file };
    },
  };
}

/** What took minutes is not lost because the shared state is away for seconds. */
function patiently<T>(signal: AbortSignal, change: () => Promise<T>): Promise<T> {
  return withRetry(BULK_RETRY, signal, change);
}

/** Notes progress in the shared state, now and then; the last one for certain. */
function createNotes(
  rollout: Rollout,
  id: string,
  shard: string,
): (progress: BackfillProgress, finished: boolean) => Promise<void> {
  let next = 0;
  return async ({ done, total, rate }, finished) => {
    const at = performance.now();
    if (!finished && at < next) return;
    next = at + NOTE_MS;
    const noted = rollout.noteProgress(id, shard, {
      done,
      total,
      rate,
      at: new Date().toISOString(),
      finished,
    });
    // A backfill does not end because nobody could be told how far it is.
    await noted.catch((error: unknown) => {
      if (finished) throw error;
    });
  };
}
