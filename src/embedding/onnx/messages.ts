import type { Bundle } from '../../models/bundle.js';
import type { Placement } from '../embedder.js';
import type { DecodeFault } from '../image/decode.js';
import type { SessionRun } from '../runner.js';
import type { RunLimits } from './partition.js';
import type { SessionSettings } from './session.js';

/** What a worker is started with. */
export interface WorkerData {
  /** Whether callers wait for it: until its first batch it keeps the main thread's priority. */
  readonly hurried?: boolean;
  /** Unix niceness of its threads, instead of that of those for which callers wait. */
  readonly nice?: number;
}

/** What the pool asks of a worker: one thing at a time, each answered by one message. */
export type Request =
  /** Answered as soon as the thread stands. */
  | { readonly type: 'ping' }
  | {
      readonly type: 'load';
      readonly bundle: Bundle;
      readonly settings: ModelSettings;
      /** Undefined before the model has been calibrated. */
      readonly tuning: RunTuning | undefined;
    }
  /** Runs made-up texts of `length` tokens once, for the calibration. */
  | { readonly type: 'measure'; readonly model: string; readonly length: number; readonly texts: number }
  /** Tells what the calibration chose. */
  | { readonly type: 'tune'; readonly model: string; readonly tuning: RunTuning }
  | { readonly type: 'unload'; readonly model: string }
  /** `texts` are normalised and carry their prompts. */
  | { readonly type: 'run'; readonly model: string; readonly texts: readonly string[] }
  /** `images` as encoded; those of more than `maxPixels` are refused. */
  | {
      readonly type: 'run-images';
      readonly model: string;
      readonly images: readonly Uint8Array[];
      readonly maxPixels: number;
    }
  | { readonly type: 'close' };

/** What a worker answers. */
export type Reply =
  | { readonly type: 'done' }
  | { readonly type: 'loaded'; readonly placement: Placement }
  | { readonly type: 'ran'; readonly result: RunResult }
  | { readonly type: 'measured'; readonly ms: number }
  /** The request could not be met; the worker stands. `reason` is for operators. */
  | { readonly type: 'failed'; readonly reason: string }
  /** A session no longer gives what it gave, as when its device is lost: the worker asks to be replaced. */
  | { readonly type: 'lost'; readonly reason: string };

/** How a worker holds a model. */
export type ModelSettings = SessionSettings;

/** How a worker cuts a model's batches into session runs. */
export interface RunTuning {
  readonly limits: RunLimits;
  /** What starting a run costs, in tokens, until the worker's own runs tell. */
  readonly runCost: number;
}

/**
 * Why a text or image has no vector: nothing in it that the model reads, a zero vector, a number that is not finite, a failed run; an image
 * that can't be decoded or is too large.
 */
export type TextFault = 'EMPTY' | 'ZERO_NORM' | 'NOT_FINITE' | 'FAILED' | DecodeFault;

/** The vectors of a run, in the order of its texts. */
export interface RunResult {
  /** `[texts, dimension]`, row by row; a faulty text's row is without meaning. Its buffer is transferred. */
  readonly vectors: Float32Array;
  readonly tokens: Uint32Array;
  /** 1 for a text that was cut. */
  readonly truncated: Uint8Array;
  readonly faults: readonly { readonly text: number; readonly fault: TextFault }[];
  /** Time that tokenizing took, in ms. */
  readonly tokenizeMs: number;
  readonly sessions: readonly SessionRun[];
}
