import { sha256 } from '../catalogue/hash.js';
import type { Config } from '../config.js';
import { KindredError, throwIfAborted } from '../errors.js';
import type { ServedModel } from '../models/model-version.js';
import { type Calibration, fitCalibration } from '../search/calibration.js';
import type { Hit } from '../vectors/store.js';
import { norm } from '../vectors/unit-vectors.js';
import type { Pair, Pairs } from './pairs.js';
import type { GateSummary, VersionCalibration } from './state.js';
import { bootstrapRatio, mean, overlapAt, quantile, rankCorrelation } from './statistics.js';

/** Queries embedded at once: few enough for any queue. */
const CHUNK = 32;
/** Hits compared for overlap and rank correlation. */
const OVERLAP_AT = 10;
/** How far from 1 a vector's length may be. */
const NORM_SLACK = 1e-3;
/** Lost pairs that the record names. */
const LOST = 1_000;

/** How one version did. */
export interface GateSide {
  readonly version: string;
  /** SHA-256 over its files. */
  readonly digest: string;
  readonly dimension: number;
  /** Share of the pairs whose item is among the first k hits. */
  readonly accuracy: number;
  /** Of a query, embedding and search, in ms. */
  readonly medianMs: number;
  readonly p95Ms: number;
  /** What makes a relevance of its cosines; null where the pairs don't tell. */
  readonly calibration: Calibration | null;
}

/** All that a gate found. Its digest binds the result to files, pairs and settings: what passed is what may go on. */
export interface GateReport {
  readonly at: string;
  readonly candidate: GateSide;
  readonly baseline: GateSide;
  readonly pairs: { readonly digest: string; readonly count: number };
  readonly settings: Config['rollout']['gate'];
  /** Accuracy of the candidate over that of the baseline, with its 95% interval by bootstrap. */
  readonly relativeAccuracy: number;
  readonly interval: { readonly low: number; readonly high: number };
  /** Mean share of the first ten hits that both have in common, and mean rank correlation over those. */
  readonly overlap: number;
  readonly rankCorrelation: number | null;
  /** Growth of this process while the candidate answered, in bytes. */
  readonly memoryBytes: number;
  /** Pairs that the baseline found and the candidate did not, and the other way round. */
  readonly lost: readonly Pair[];
  readonly won: number;
  readonly passed: boolean;
  readonly failures: readonly string[];
  /** SHA-256 of all above as JSON. */
  readonly digest: string;
}

export interface GateOptions {
  readonly candidate: ServedModel;
  readonly baseline: ServedModel;
  readonly pairs: Pairs;
  /** Real queries over which overlap and rank correlation are taken; by default those of the pairs. */
  readonly queries?: readonly string[];
  readonly settings: Config['rollout']['gate'];
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** What one version answered to all queries. */
interface Answers {
  readonly hits: ReadonlyMap<string, readonly Hit[]>;
  readonly ms: readonly number[];
  /** Why its vectors can't be used. */
  readonly faults: readonly string[];
}

/**
 * Holds a candidate against the version that it would replace, on pairs that are known to be right. It passes when its accuracy is more than
 * `minRelativeAccuracy` of the baseline's and its vectors are sound. Rejects with what models and stores reject with, and with the signal's reason.
 */
export async function runGate(options: GateOptions): Promise<GateReport> {
  const { candidate, baseline, pairs, settings, signal, onProgress } = options;
  const asked = [...new Set([...pairs.pairs.map(({ query }) => query), ...(options.queries ?? [])])];
  const depth = Math.max(settings.k, OVERLAP_AT);
  let done = 0;
  const onAnswered = (count: number): void => {
    done += count;
    onProgress?.({ done, total: 2 * asked.length });
  };
  const before = await answersOf(baseline, asked, { depth, signal, onAnswered });
  const memory = process.memoryUsage().rss;
  const after = await answersOf(candidate, asked, { depth, signal, onAnswered });
  const memoryBytes = process.memoryUsage().rss - memory;

  const found = ({ hits }: Answers, { query, id }: Pair): boolean =>
    (hits.get(query) ?? []).slice(0, settings.k).some((hit) => hit.id === id);
  const scored = pairs.pairs.map((pair) => ({ pair, now: found(after, pair), was: found(before, pair) }));
  const points = scored.map(({ now, was }) => [Number(now), Number(was)] as const);
  const sides = {
    candidate: sideOf(candidate, after, pairs.pairs, mean(points.map(([now]) => now))),
    baseline: sideOf(baseline, before, pairs.pairs, mean(points.map(([, was]) => was))),
  };
  const relativeAccuracy =
    sides.baseline.accuracy === 0 ? 0 : sides.candidate.accuracy / sides.baseline.accuracy;
  const real = options.queries ?? asked;
  const idsOf = ({ hits }: Answers, query: string): string[] => (hits.get(query) ?? []).map(({ id }) => id);
  const rankings = real.map((query) => [idsOf(after, query), idsOf(before, query)] as const);
  const correlations = rankings.flatMap(([now, was]) => rankCorrelation(now, was) ?? []);
  const failures = [
    ...after.faults,
    ...accuracyFaults(sides, relativeAccuracy, settings),
    ...latencyFaults(sides, settings),
  ];
  const report = {
    at: new Date().toISOString(),
    ...sides,
    pairs: { digest: pairs.digest, count: pairs.pairs.length },
    settings,
    relativeAccuracy,
    interval: bootstrapRatio(points, settings.bootstrapSamples),
    overlap: mean(rankings.map(([now, was]) => overlapAt(OVERLAP_AT, now, was))),
    rankCorrelation: correlations.length === 0 ? null : mean(correlations),
    memoryBytes,
    lost: scored.flatMap(({ pair, now, was }) => (was && !now ? [pair] : [])).slice(0, LOST),
    won: scored.filter(({ now, was }) => now && !was).length,
    passed: failures.length === 0,
    failures,
  };
  return { ...report, digest: sha256(JSON.stringify(report)) };
}

/** What the shared state keeps of a report. */
export function summaryOf({ at, candidate, baseline, pairs, digest, ...report }: GateReport): GateSummary {
  return {
    at,
    digest,
    against: baseline.version,
    passed: report.passed,
    failures: [...report.failures],
    candidateDigest: candidate.digest,
    baselineDigest: baseline.digest,
    pairsDigest: pairs.digest,
    relativeAccuracy: report.relativeAccuracy,
  };
}

function accuracyFaults(
  { candidate, baseline }: { readonly candidate: GateSide; readonly baseline: GateSide },
  relative: number,
  { minRelativeAccuracy, k }: GateOptions['settings'],
): string[] {
  if (baseline.accuracy === 0)
    return [
      `${baseline.version} finds none of the pairs among its first ${String(k)} hits: are they of this catalogue?`,
    ];
  if (relative > minRelativeAccuracy) return [];
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  return [
    `it keeps ${percent(relative)} of the accuracy of ${baseline.version} (hit@${String(k)} ${candidate.accuracy.toFixed(3)} after ${baseline.accuracy.toFixed(3)}), and more than ${percent(minRelativeAccuracy)} is asked for`,
  ];
}

function latencyFaults(
  { candidate, baseline }: { readonly candidate: GateSide; readonly baseline: GateSide },
  { maxLatencyRatio }: GateOptions['settings'],
): string[] {
  if (maxLatencyRatio === null) return [];
  const ratio = candidate.medianMs / baseline.medianMs;
  return ratio > maxLatencyRatio
    ? [`a query takes ${ratio.toFixed(2)} times as long, and at most ${String(maxLatencyRatio)} is asked for`]
    : [];
}

/** What the pairs tell about the scores of both versions, bound to their files. */
export function calibrationsOf({
  candidate,
  baseline,
}: GateReport): Record<string, VersionCalibration | null> {
  return Object.fromEntries(
    [candidate, baseline].map(({ version, digest, calibration }) => [
      version,
      calibration && { ...calibration, digest },
    ]),
  );
}

/** Each hit of a pair's query as a point: it is right when it is the pair's item. */
function calibrate({ hits }: Answers, pairs: readonly Pair[]): Calibration | null {
  return fitCalibration(
    pairs.flatMap(({ query, id }) =>
      (hits.get(query) ?? []).map((hit) => ({ score: hit.score, right: hit.id === id })),
    ),
  );
}

function sideOf(
  { version, embedder }: ServedModel,
  answers: Answers,
  pairs: readonly Pair[],
  accuracy: number,
): GateSide {
  const { ms } = answers;
  return {
    calibration: calibrate(answers, pairs),
    version: version.id,
    digest: version.digest,
    dimension: embedder.model.dimension,
    accuracy,
    medianMs: quantile(ms, 0.5),
    p95Ms: quantile(ms, 0.95),
  };
}

interface AnswerOptions {
  readonly depth: number;
  readonly signal: AbortSignal;
  readonly onAnswered: (count: number) => void;
}

/** Asks a version all queries as a request would, one after another within each chunk's embedding. */
async function answersOf(
  { version, embedder, collection }: ServedModel,
  queries: readonly string[],
  { depth, signal, onAnswered }: AnswerOptions,
): Promise<Answers> {
  const hits = new Map<string, readonly Hit[]>();
  const ms: number[] = [];
  const faults = new Set<string>();
  for (let at = 0; at < queries.length; at += CHUNK) {
    throwIfAborted(signal);
    const chunk = queries.slice(at, at + CHUNK);
    const began = performance.now();
    const outcomes = await embedder.embed(chunk, { purpose: 'query', lane: 'bulk', signal });
    const embedMs = (performance.now() - began) / chunk.length;
    for (const [index, query] of chunk.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined || outcome instanceof KindredError) {
        if (outcome?.retry === true) throw outcome;
        faults.add(`${version.id} can't embed a query: ${outcome?.message ?? 'no answer'}`);
        continue;
      }
      const fault = vectorFault(outcome.vector, embedder.model.dimension);
      if (fault !== undefined) {
        faults.add(`a vector of ${version.id} ${fault}`);
        continue;
      }
      const searching = performance.now();
      const [found = []] = await collection.search([outcome.vector], { limit: depth, signal });
      ms.push(embedMs + performance.now() - searching);
      hits.set(query, found);
    }
    onAnswered(chunk.length);
  }
  return { hits, ms, faults: [...faults] };
}

function vectorFault(vector: Float32Array, dimension: number): string | undefined {
  if (vector.length !== dimension)
    return `has ${String(vector.length)} numbers, and ${String(dimension)} are declared`;
  if (!vector.every(Number.isFinite)) return 'has numbers that are not finite';
  const length = norm(vector);
  return Math.abs(length - 1) > NORM_SLACK ? `has the length ${length.toFixed(4)} instead of 1` : undefined;
}
