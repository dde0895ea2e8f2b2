import type { Placement } from '../embedder.js';
import type { RunResult, RunTuning } from './messages.js';

/** A model inside a worker. */
export interface LoadedModel {
  readonly placement: Placement;
  /** Throws SessionLost when it fails on texts and on the probe as well. */
  run(texts: readonly string[]): Promise<RunResult>;
  /** Absent where the model reads no images. Throws SessionLost as `run` does. */
  runImages?(images: readonly Uint8Array[], maxPixels: number): Promise<RunResult>;
  /** Time of one session run of `texts` rows of `length` tokens, in ms; for the calibration. */
  measure(length: number, texts: number): Promise<number>;
  /** Takes what the calibration chose. */
  tune(tuning: RunTuning): void;
  release(): Promise<void>;
}
