import type { Logger } from 'pino';
import type { Config } from '../config.js';
import type { Telemetry } from '../telemetry.js';
import type { Rollout } from './rollout.js';
import {
  type RequestOutcome,
  type SlidingWindow,
  type WindowStats,
  createSlidingWindow,
} from './sliding-window.js';
import { type RolloutState, candidateOf, stableOf } from './state.js';

/** How often the version on trial is judged, in ms. */
const JUDGE_MS = 1_000;
/** Comparisons from which the overlap counts, and of which it is taken: the last ones. */
const MIN_COMPARISONS = 20;
const KEPT_COMPARISONS = 200;

export interface GuardrailOptions {
  readonly rollout: Rollout;
  readonly settings: Config['rollout']['guardrail'];
  readonly telemetry: Telemetry;
  readonly log: Logger;
  readonly now?: () => number;
}

/** Watches the version on trial while it has traffic, and takes it away when it does worse than the stable one. */
export interface Guardrail {
  /** Notes how a request of a version went. */
  note(version: string, outcome: RequestOutcome): void;
  /** Notes how much of a search's answer a version had in common with the stable one, 0 to 1. */
  noteOverlap(version: string, overlap: number): void;
  /** Whether a version may have no traffic here, though nobody could be told yet. */
  tripped(version: string): boolean;
  /** Judges at once; for tests, which don't wait. */
  judge(): Promise<void>;
  close(): void;
}

/** Why a version on trial does worse than the stable one; undefined while it does not, or there is too little to tell. */
export function breach(
  candidate: WindowStats,
  stable: WindowStats,
  overlaps: readonly number[],
  settings: GuardrailOptions['settings'],
): string | undefined {
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  if (candidate.requests >= settings.minRequests) {
    if (candidate.errorRate > stable.errorRate + settings.maxErrorRate)
      return `${percent(candidate.errorRate)} of its requests fail, after ${percent(stable.errorRate)} of the stable version's`;
    const limit = Math.max(stable.p95Ms * settings.maxLatencyRatio, stable.p95Ms + settings.latencySlackMs);
    if (stable.requests >= settings.minRequests && candidate.p95Ms > limit)
      return `its 95th percentile is ${candidate.p95Ms.toFixed(0)} ms, after ${stable.p95Ms.toFixed(0)} ms of the stable version`;
    if (candidate.emptyRate > stable.emptyRate + settings.maxEmptyRate)
      return `${percent(candidate.emptyRate)} of its searches find nothing, after ${percent(stable.emptyRate)} of the stable version's`;
  }
  if (overlaps.length >= MIN_COMPARISONS) {
    const mean = overlaps.reduce((sum, overlap) => sum + overlap, 0) / overlaps.length;
    if (mean < settings.minOverlap)
      return `its searches have ${percent(mean)} of their first hits in common with the stable version's, and ${percent(settings.minOverlap)} is the least`;
  }
  return undefined;
}

/** Names the try of a version that is under way. */
function trialOf(state: RolloutState): string {
  const candidate = candidateOf(state);
  const record = candidate === null ? undefined : state.versions[candidate];
  return `${candidate ?? ''} ${record?.state ?? ''} ${record?.since ?? ''}`;
}

/** Makes the guardrail of a process; it judges by the requests that this process has seen. */
export function createGuardrail({ rollout, settings, telemetry, log, now }: GuardrailOptions): Guardrail {
  let windows = new Map<string, SlidingWindow>();
  let overlaps: number[] = [];
  /** The version that was taken out here, and why, until the shared state says so. */
  let tripped: { readonly version: string; readonly reason: string } | undefined;
  /** Which trial the figures are of: another version, or the same one at a new try, begins anew. */
  let trial = trialOf(rollout.replica.state);

  const windowOf = (version: string): SlidingWindow => {
    const known = windows.get(version);
    if (known !== undefined) return known;
    const window = createSlidingWindow(settings.windowMs, now);
    windows.set(version, window);
    return window;
  };

  const judge = async (): Promise<void> => {
    const { state } = rollout.replica;
    const candidate = candidateOf(state);
    const record = candidate === null ? undefined : state.versions[candidate];
    const current = trialOf(state);
    if (current !== trial) {
      trial = current;
      windows = new Map();
      overlaps = [];
      tripped = undefined;
    }
    if (!settings.enabled || candidate === null || record?.state !== 'canary') return;
    const [its, stables] = [windowOf(candidate).stats(), windowOf(stableOf(state)).stats()];
    const reason = tripped?.reason ?? breach(its, stables, overlaps, settings);
    if (reason === undefined) return;
    if (tripped === undefined) {
      log.error({ version: candidate, reason }, 'guardrail: the version on trial loses its traffic');
      telemetry.metrics.guardrailBreaches.add(1, { version: candidate });
    }
    tripped = { version: candidate, reason };
    // When it can't be told, it has no traffic here, and is told at the next turn.
    await rollout.rollback({ who: 'guardrail', why: reason }).catch((error: unknown) => {
      log.warn({ version: candidate, err: error }, 'guardrail: other replicas could not be told yet');
    });
  };

  const timer = setInterval(() => void judge(), JUDGE_MS);
  timer.unref();
  return {
    note: (version, outcome) => windowOf(version).add(outcome),
    noteOverlap: (version, overlap) => {
      if (version !== candidateOf(rollout.replica.state)) return;
      overlaps.push(overlap);
      if (overlaps.length > KEPT_COMPARISONS) overlaps.shift();
    },
    tripped: (version) => version === tripped?.version,
    judge,
    close: () => clearInterval(timer),
  };
}
