import type { RunTuning } from './messages.js';

/** How a model's texts are put together: chosen by calibration, or pinned by the config. */
export interface Tuning {
  /** Texts that a worker gets at once, and of one session run, at most. */
  readonly maxBatchTexts: number;
  /** Tokens, padding included, that a worker gets at once at most. */
  readonly maxBatchTokens: number;
  /** Tokens, padding included, of one session run at most. */
  readonly runTokens: number;
  /** What starting a session run costs, in tokens; each worker's first guess. */
  readonly runCost: number;
  /** Texts of `SHORT_TOKENS` tokens a second in one worker; null when nothing was measured. */
  readonly textsPerSecond: number | null;
}

/** What the config pins; null is left to the calibration. */
export type TuningPins = Readonly<Record<'maxBatchTexts' | 'maxBatchTokens' | 'runTokens', number | null>>;

/** Times one session run of `texts` texts of `length` tokens each, in ms. */
export type Measure = (length: number, texts: number) => Promise<number>;

export interface CalibrationOptions {
  readonly measure: Measure;
  /** Tokens of a text at most. */
  readonly maxTokens: number;
  /** Whether sessions run on a GPU or the like, which likes far larger runs than a core does. */
  readonly accelerated: boolean;
  readonly pins: TuningPins;
  /** Session time to spend, in ms. Default 280. */
  readonly budgetMs?: number;
}

/** Length of the texts whose speed is shown, in tokens: a search query of some ten words. */
export const SHORT_TOKENS = 16;
const LONG_TOKENS = 64;
const BUDGET_MS = 280;
/** Runs of one shape; the first is slow. */
const MOST_RUNS = 6;
const LEAST_RUNS = 2;
/** Time that the runs of one shape may take before `MOST_RUNS` of them are made, in ms. */
const SHAPE_MS = 30;
/** Of the time of a largest run, at least so much is spent on tokens, the rest on starting it. */
const RUN_EFFICIENCY = 0.97;
const TEXTS_EFFICIENCY = 0.95;
/** Tokens of the shortest common texts, which `maxBatchTexts` is for. */
const QUERY_TOKENS = 12;
/** A batch holds as many tokens as a worker computes in this time, in ms, as all its texts wait for the last. */
const BATCH_MS = 50;
/** A larger run, however efficient, would keep others waiting for too long, in ms. */
const RUN_MS = 128;
/** Runs are at most so much larger than the largest that was measured. */
const EXTRAPOLATION = 2;
/** A larger run whose tokens take longer by this factor shows that runs should stay smaller. */
const SLOWER = 1.2;

interface Bounds {
  readonly runTokens: readonly [least: number, most: number];
  readonly batchTexts: readonly [least: number, most: number];
  readonly batchTokens: number;
}
/** Larger runs leave a core's cache, and gain nothing even where they don't. */
const CPU: Bounds = { runTokens: [256, 2_048], batchTexts: [16, 256], batchTokens: 4_096 };
/** A lone query waits for the batch before it, and 32,768 tokens take an H100 16 ms. */
const ACCELERATED: Bounds = {
  runTokens: [2_048, 32_768],
  batchTexts: [128, 1_024],
  batchTokens: 32_768,
};

/** MiniLM on CPU: 2 ms a run and 0.2 ms a token. What is taken where nothing could be measured. */
export const DEFAULT_RUN_COST = 12;

interface Shape {
  readonly length: number;
  readonly texts: number;
  readonly ms: number;
}

/**
 * Times runs of growing size and fits time = start + tokens x slope to them, which says how large runs and batches should be: so large
 * that starting one hardly counts, and no larger. With every limit pinned nothing is measured. A model whose runs fail gets the limits
 * that suit a small transformer, one too slow for the budget the smallest.
 */
export async function calibrate(options: CalibrationOptions): Promise<Tuning> {
  const { accelerated, pins } = options;
  const bounds = accelerated ? ACCELERATED : CPU;
  const pinned = pins.maxBatchTexts !== null && pins.maxBatchTokens !== null && pins.runTokens !== null;
  const shapes = pinned ? [] : await measureShapes(options, bounds);
  const { runCost, tokenMs } = fit(shapes);

  const bestRun = powerAbove((runCost * RUN_EFFICIENCY) / (1 - RUN_EFFICIENCY));
  // Starting the run included.
  const patience =
    tokenMs === null ? Infinity : 2 ** Math.floor(Math.log2(Math.max(1, RUN_MS / tokenMs - runCost)));
  const largest = Math.max(...shapes.map(({ length, texts }) => length * texts));
  // Further off, the line is a guess.
  const known = shapes.length === 0 ? Infinity : EXTRAPOLATION * largest;
  const runTokens =
    pins.runTokens ?? clamp(Math.min(bestRun, patience, known, slowFrom(shapes)), bounds.runTokens);
  const inTime = tokenMs === null ? runTokens : BATCH_MS / tokenMs;
  const maxBatchTokens =
    pins.maxBatchTokens ?? Math.round(Math.max(runTokens, Math.min(inTime, bounds.batchTokens)));
  const bestTexts = powerAbove((runCost * TEXTS_EFFICIENCY) / (1 - TEXTS_EFFICIENCY) / QUERY_TOKENS);
  const maxBatchTexts = pins.maxBatchTexts ?? clamp(bestTexts, bounds.batchTexts);
  return { maxBatchTexts, maxBatchTokens, runTokens, runCost, textsPerSecond: speedOf(shapes) };
}

/** The part of a tuning that workers need. */
export function runTuning(tuning: Tuning): RunTuning;
export function runTuning(tuning: Tuning | undefined): RunTuning | undefined;
export function runTuning(tuning: Tuning | undefined): RunTuning | undefined {
  if (!tuning) return undefined;
  const { maxBatchTexts, maxBatchTokens, runTokens, runCost } = tuning;
  return { limits: { maxTexts: maxBatchTexts, maxTokens: Math.min(maxBatchTokens, runTokens) }, runCost };
}

/** Tokens that one worker computes in a millisecond; undefined when nothing was measured. */
export function tokensPerMsOf({ textsPerSecond }: Tuning): number | undefined {
  return textsPerSecond === null ? undefined : (textsPerSecond * SHORT_TOKENS) / 1_000;
}

/** Two ladders, of short and of long texts, each doubling its batch until the time is spent or runs are as large as is allowed. */
async function measureShapes(
  { measure, maxTokens, budgetMs = BUDGET_MS }: CalibrationOptions,
  { runTokens: [, mostTokens] }: Bounds,
): Promise<Shape[]> {
  const shapes: Shape[] = [];
  let left = budgetMs;
  const timeShape = async (length: number, texts: number): Promise<number> => {
    const times: number[] = [];
    let total = 0;
    do {
      const ms = await measure(length, texts);
      times.push(ms);
      total += ms;
    } while (times.length < LEAST_RUNS ? total < left : times.length < MOST_RUNS && total < SHAPE_MS);
    left -= total;
    // Not the median: other work on the machine only ever makes a run slower.
    return Math.min(...times);
  };
  try {
    for (const length of new Set([Math.min(SHORT_TOKENS, maxTokens), Math.min(LONG_TOKENS, maxTokens)])) {
      let expected = 0;
      for (let texts = 1; texts * length <= mostTokens && expected * LEAST_RUNS <= left; texts *= 2) {
        const ms = await timeShape(length, texts);
        shapes.push({ length, texts, ms });
        expected = 2 * ms;
      }
      // A longer text takes at least as long as the shortest run of the ladder before.
      if ((shapes[0]?.ms ?? 0) * LONG_TOKENS > left * SHORT_TOKENS) break;
    }
  } catch {
    // What was measured before counts; a model that can't run says so when it is asked.
  }
  return shapes.filter(({ ms }) => ms > 0 && Number.isFinite(ms));
}

/**
 * The line start + tokens x slope that lies under all shapes, and as near to them as can be by the sum of ratios: other work on the machine
 * makes single runs slower, never faster, so what is above the line is noise. It goes through two of them, or through one and no start.
 */
function fit(shapes: readonly Shape[]): { runCost: number; tokenMs: number | null } {
  if (shapes.length < 3) return { runCost: DEFAULT_RUN_COST, tokenMs: null };
  let best = { start: 0, tokenMs: Math.min(...shapes.map(({ length, texts, ms }) => ms / (length * texts))) };
  const nearness = ({ start, tokenMs }: typeof best): number =>
    shapes.reduce((sum, { length, texts, ms }) => {
      const ratio = (start + tokenMs * length * texts) / ms;
      return ratio > 1 + 1e-9 ? -Infinity : sum + ratio;
    }, 0);
  for (const a of shapes) {
    for (const b of shapes) {
      const tokens = a.length * a.texts;
      const tokenMs = (b.ms - a.ms) / (b.length * b.texts - tokens);
      const line = { start: a.ms - tokenMs * tokens, tokenMs };
      if (tokenMs > 0 && line.start >= 0 && nearness(line) > nearness(best)) best = line;
    }
  }
  return { runCost: best.start / best.tokenMs, tokenMs: best.tokenMs };
}

/** Tokens of the largest run before those that are slower by the token than the fastest; Infinity when none is. */
function slowFrom(shapes: readonly Shape[]): number {
  let most = Infinity;
  for (const length of new Set(shapes.map((shape) => shape.length))) {
    const ladder = shapes.filter((shape) => shape.length === length);
    let best = ladder[0];
    let slow = 0;
    for (const shape of ladder) {
      if (!best || shape.ms / shape.texts <= best.ms / best.texts) [best, slow] = [shape, 0];
      else if (shape.ms / shape.texts > (SLOWER * best.ms) / best.texts) slow += 1;
    }
    // One alone may be noise.
    if (best && slow > 1) most = Math.min(most, best.length * best.texts);
  }
  return most;
}

function speedOf(shapes: readonly Shape[]): number | null {
  const [first] = shapes;
  if (!first) return null;
  const short = shapes.filter(({ length }) => length === first.length);
  return Math.round(Math.max(...short.map(({ texts, ms }) => (texts / ms) * 1_000)));
}

function powerAbove(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, value)));
}

function clamp(value: number, [least, most]: readonly [number, number]): number {
  return Math.min(most, Math.max(least, value));
}
