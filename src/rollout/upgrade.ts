import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.js';
import { KindredError, throwIfAborted } from '../errors.js';
import type { ServedModel } from '../models/model-version.js';
import { expectedOf } from './expected.js';
import type { Jobs } from './jobs.js';
import type { Pairs } from './pairs.js';
import { trialSummary } from './progress.js';
import type { Rollout } from './rollout.js';
import { type Actor, type VersionRecord, recordOf, stableOf } from './state.js';

/** Items that the speed of a model is measured by. */
const SAMPLE = 64;
/** How often the state is looked at while something is waited for, in ms. */
const LOOK_MS = 250;

/** What an upgrade will take. */
export interface UpgradePlan {
  readonly version: string;
  readonly stable: string;
  readonly items: number;
  /** Items that the version has from the same content already. */
  readonly there: number;
  /** Texts that have to be embedded. */
  readonly texts: number;
  /** Texts a second, as measured on items of this catalogue. */
  readonly rate: number;
  /** Of the backfill at this rate, in s. */
  readonly backfillSeconds: number;
  /** What vectors and items take in the store, without its indexes. */
  readonly bytes: number;
  /** Of shadow and shares, in s: they are waited for. */
  readonly trialSeconds: number;
  readonly steps: readonly string[];
}

export interface UpgradeOptions {
  readonly rollout: Rollout;
  readonly jobs: Jobs;
  readonly settings: Config['rollout'];
  readonly actor: Actor;
  readonly pairs: Pairs;
  readonly signal: AbortSignal;
  /** Told when a step begins, how it goes, and when there is nothing to do for it. */
  readonly onStep?: (step: string, detail: string) => void;
}

/** Plans an upgrade: loads the version, counts, and measures its speed on items of the catalogue. */
export async function planUpgrade(id: string, options: UpgradeOptions): Promise<UpgradePlan> {
  const { rollout, jobs, settings, actor, signal } = options;
  const candidate = await jobs.load(id, { actor, signal });
  const stable = await jobs.load(stableOf(rollout.replica.state), { actor, signal });
  const items = await stable.collection.count();
  const { rate, bytesEach } = await measure(candidate, stable, signal);
  const there = Math.min(items, await candidate.collection.count());
  const texts = items - there;
  const { shadowMs, holdMs, shares } = settings.upgrade;
  return {
    version: id,
    stable: stable.version.id,
    items,
    there,
    texts,
    rate,
    backfillSeconds: Math.ceil(texts / Math.max(rate, 0.001)),
    bytes: items * bytesEach,
    trialSeconds: Math.round((shadowMs + holdMs * shares.length) / 1000),
    steps: [
      'backfill',
      'verify',
      'gate',
      'shadow',
      ...shares.map((share) => `traffic ${String(Math.round(share * 1000) / 10)}%`),
      'promote',
    ],
  };
}

/** Texts a second of a model, and bytes of a record, on the first items of the catalogue. */
async function measure(
  { embedder, catalogue }: ServedModel,
  { collection }: ServedModel,
  signal: AbortSignal,
): Promise<{ rate: number; bytesEach: number }> {
  for await (const records of collection.scan({ batch: SAMPLE, signal })) {
    const expected = records.map(({ item }) => expectedOf(catalogue, item));
    const texts = expected.map(({ text }) => text);
    const started = performance.now();
    const outcomes = await embedder.embed(texts, { purpose: 'document', lane: 'bulk', signal });
    const failed = outcomes.find((outcome) => outcome instanceof KindredError && outcome.retry);
    if (failed instanceof KindredError) throw failed;
    const rate = (texts.length / Math.max(1, performance.now() - started)) * 1000;
    const itemBytes = Buffer.byteLength(JSON.stringify(expected.map(({ item }) => item))) / texts.length;
    return { rate, bytesEach: Math.round(itemBytes + 4 * embedder.model.dimension) };
  }
  return { rate: 0, bytesEach: 0 };
}

/**
 * Takes a version all the way: backfill, verification, gate, shadow, growing shares, promotion. Stops at the first step that fails, with an error that
 * says why; called again it goes on from there, since each step that is done can be seen in the shared state.
 */
export async function upgrade(id: string, options: UpgradeOptions): Promise<void> {
  const { rollout, jobs, actor, signal, pairs, onStep = () => undefined } = options;
  const now = (): VersionRecord => recordOf(rollout.replica.state, id);
  await jobs.load(id, { actor, signal });
  if (now().state === 'stable') {
    onStep('promote', `${id} is stable`);
    return;
  }

  if (now().verified?.against !== stableOf(rollout.replica.state)) {
    onStep('backfill', 'begins');
    const { done, embedded, refused } = await jobs.backfill(id, {
      actor,
      signal,
      onProgress: (progress) =>
        onStep('backfill', `${String(progress.done)} of ${String(progress.total)} items`),
    });
    if (refused.length > 0)
      throw new Error(
        `${String(refused.length)} items are missing, e.g. ${refused[0]?.id ?? ''}: ${refused[0]?.reason ?? ''}`,
      );
    onStep('backfill', `${String(done)} items, ${String(embedded)} embedded, verified`);
  } else onStep('backfill', 'is done and verified');

  if (rollout.gateFault(id) !== undefined) {
    onStep('gate', 'begins');
    const { report, file } = await jobs.gate(id, { actor, signal, pairs });
    if (!report.passed)
      throw new Error(`${id} did not pass the gate: ${report.failures.join('; ')} (${file})`);
    onStep(
      'gate',
      `passed with ${(100 * report.relativeAccuracy).toFixed(1)}% of ${report.baseline.version}`,
    );
  } else onStep('gate', 'is passed');

  if (now().state === 'backfilling') await rollout.shadow(id, actor);
  if (now().state === 'shadow') await shadowFor(id, options);

  const { shares, holdMs } = options.settings.upgrade;
  for (const share of shares) {
    if (now().state === 'canary' && now().share > share) continue;
    const percent = `${String(Math.round(share * 1000) / 10)}%`;
    if (now().share !== share) await rollout.setTraffic(id, share, actor);
    onStep(`traffic ${percent}`, `for ${String(Math.round(holdMs / 1000))} s`);
    await waitFor(holdMs, options, () => {
      if (now().state === 'canary') return;
      const last = rollout.replica.state.history.findLast(({ version }) => version === id);
      throw new Error(`${id} lost its traffic: ${last?.who ?? ''}: ${last?.why ?? ''}`);
    });
  }
  await jobs.promote(id, { step: actor, signal });
  onStep('promote', `${id} is stable`);
}

/** Waits for the time of a shadow; too few comparisons, or too little in common, is a failure. */
async function shadowFor(id: string, options: UpgradeOptions): Promise<void> {
  const { rollout, settings, onStep = () => undefined } = options;
  const { shadowMs, minComparisons } = settings.upgrade;
  onStep('shadow', `for ${String(Math.round(shadowMs / 1000))} s`);
  await waitFor(shadowMs, options);
  const { compared, overlap } = trialSummary(recordOf(rollout.replica.state, id).trial) ?? {
    compared: 0,
    overlap: 1,
  };
  const figures = `${String(compared)} searches compared, overlap ${overlap.toFixed(3)}`;
  if (compared < minComparisons)
    throw new Error(
      `${figures}, and at least ${String(minComparisons)} are asked for (rollout.upgrade.minComparisons): call it again once there is more traffic`,
    );
  if (compared > 0 && overlap < settings.guardrail.minOverlap)
    throw new Error(`${figures}, and at least ${String(settings.guardrail.minOverlap)} is asked for`);
  onStep('shadow', figures);
}

/** Waits, and looks at the shared state meanwhile; `check` throws what ends the wait. */
async function waitFor(
  ms: number,
  { rollout, signal }: UpgradeOptions,
  check: () => void = () => undefined,
): Promise<void> {
  const until = performance.now() + ms;
  do {
    await rollout.replica.refresh();
    throwIfAborted(signal);
    check();
    await sleep(Math.min(LOOK_MS, ms));
  } while (performance.now() < until);
  await rollout.replica.refresh();
  check();
}
