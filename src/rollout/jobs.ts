import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.js';
import { KindredError, throwIfAborted } from '../errors.js';
import type { ModelRegistry, ServedModel } from '../models/model-version.js';
import type { BackfillProgress, BackfillSummary } from './backfill.js';
import { type FillOptions, type FillRequest, fill } from './fill.js';
import { type GateReport, calibrationsOf, runGate, summaryOf } from './gate.js';
import type { Pairs } from './pairs.js';
import { patiently } from './patience.js';
import type { StepOptions } from './rollout.js';
import { type Shard, WHOLE } from './shard.js';
import { type Actor, type RolloutState, recordOf, refusal, stableOf } from './state.js';
import { type Comparison, isComplete, verify } from './verify.js';

/** How often a version that loads is looked at, in ms; and how long one that fails may be tried again before that counts. */
const LOADING_MS = 25;
const FAILING_MS = 8_000;

export interface JobsOptions extends Omit<FillOptions, 'settings'> {
  readonly registry: ModelRegistry;
  readonly config: Pick<Config, 'data' | 'rollout'>;
  /** Rejects when there is no model of this name that could be loaded. */
  readonly check: (id: string) => Promise<unknown>;
}

export interface JobOptions {
  readonly actor: Actor;
  readonly signal: AbortSignal;
}

/** The long steps of a rollout: each does its work and notes in the shared state what came of it. */
export interface Jobs {
  /** Makes a version known whose bundle is there. Throws MODEL_VERSION_NOT_FOUND when there is none that could be loaded. */
  know(id: string, actor: Actor): Promise<void>;
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
  /**
   * Makes a version on trial the stable one. Unless it was verified of late, it is filled up first with what it may lack, e.g. by an import that began
   * before it was added, and verified; forced, it goes as it is.
   */
  promote(
    id: string,
    options: Pick<JobOptions, 'signal'> & {
      readonly step: StepOptions;
      readonly onProgress?: (progress: BackfillProgress) => void;
    },
  ): Promise<RolloutState>;
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
  const { rollout, registry, config, check } = options;
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
  const know: Jobs['know'] = async (id, actor) => {
    const known = rollout.replica.state.versions[id]?.state;
    if (known === undefined || known === 'gone') {
      await check(id).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        throw new KindredError('MODEL_VERSION_NOT_FOUND', reason, { cause: error });
      });
      await rollout.add(id, actor);
    }
    registry.sync();
  };
  const load: Jobs['load'] = async (id, { actor, signal }) => {
    await know(id, actor);
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
      catalogue: to.catalogue,
      signal,
      onProgress,
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

  /** Whether all that a promotion lacks is a look at its items; else it is refused in words of its own. */
  const isDueFor = (id: string): boolean => {
    const { state } = recordOf(rollout.replica.state, id);
    const onTrial = state === 'shadow' || state === 'canary';
    return onTrial && rollout.gateFault(id) === undefined && rollout.verificationFault(id) !== undefined;
  };
  const fillFrom = (
    from: ServedModel,
    to: ServedModel,
    { actor, ...request }: JobOptions & Omit<FillRequest, 'from' | 'to' | 'compare'>,
  ): Promise<BackfillSummary> =>
    fill(
      {
        ...request,
        from,
        to,
        compare: () => compare(to.version.id, from, { actor, signal: request.signal }),
      },
      { ...options, settings: config.rollout.backfill },
    );

  return {
    know,
    load,
    backfill: async (id, { actor, signal, shard = WHOLE, onProgress }) => {
      const to = await load(id, { actor, signal });
      if (id === stableOf(rollout.replica.state))
        throw refusal(`${id} is stable: it is what others are filled from`);
      await patiently(signal, () => rollout.beginBackfill(id, actor));
      const from = await source(signal);
      return fillFrom(from, to, { actor, signal, shard, onProgress });
    },
    verify: async (id, job) => {
      await load(id, job);
      return compare(id, await source(job.signal), job);
    },
    promote: async (id, { step, signal, onProgress }) => {
      if (step.force !== true && isDueFor(id)) {
        const [from, to] = [await source(signal), await load(id, { actor: step, signal })];
        const { refused } = await fillFrom(from, to, { actor: step, signal, shard: WHOLE, onProgress });
        if (refused.length > 0)
          throw refusal(
            `${id} lacks ${String(refused.length)} items, e.g. ${refused[0]?.id ?? ''}: ${refused[0]?.reason ?? ''}`,
          );
      }
      return rollout.promote(id, step);
    },
    gate: async (id, { actor, signal, ...gate }) => {
      const [candidate, baseline] = [await load(id, { actor, signal }), await source(signal)];
      if (candidate.version.id === baseline.version.id)
        throw refusal(`${id} is stable: it is what others are held against`);
      if ((await candidate.collection.count()) === 0)
        throw refusal(`${id} has no items yet: run \`kindred models backfill ${id}\``);
      const report = await runGate({
        candidate,
        baseline,
        signal,
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
