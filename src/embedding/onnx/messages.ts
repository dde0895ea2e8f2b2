import type { Bundle } from '../../models/bundle.js';
import type { SessionRun } from '../runner.js';
import type { RunLimits } from './partition.js';
import type { SessionSettings } from './session.js';

/** What the pool asks of a worker: one thing at a time, each answered by one message. */
export type Request =
  /** Answered as soon as the thread stands. */
  | { readonly type: 'ping' }
  | { readonly type: 'load'; readonly bundle: Bundle; readonly settings: ModelSettings }
  | { readonly type: 'unload'; readonly model: string }
  /** `texts` are normalised and carry their prompts. */
  | { readonly type: 'run'; readonly model: string; readonly texts: readonly string[] }
  | { readonly type: 'close' };

/** What a worker answers. */
export type Reply =
  | { readonly type: 'done' }
  | { readonly type: 'ran'; readonly result: RunResult }
  /** The request could not be met; the worker stands. `reason` is for operators. */
  | { readonly type: 'failed'; readonly reason: string };

/** How a worker holds a model. */
export interface ModelSettings extends SessionSettings {
  readonly limits: RunLimits;
}

/** Why a text has no vector: nothing in it that the model reads, a zero vector, a number that is not finite, a failed run. */
export type TextFault = 'EMPTY' | 'ZERO_NORM' | 'NOT_FINITE' | 'FAILED';

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
