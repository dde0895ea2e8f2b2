import type { StopSignal } from '../stop.js';
import type { EmbedOutcome, Placement } from './embedder.js';

/** What computes a batch: worker threads here, a remote server elsewhere. */
export interface BatchRunner {
  /**
   * Waits for a place to run one batch; the batch is put together only then. When places are scarce, `urgent` is asked each
   * time one comes free, so that interactive texts go first. Rejects with MODEL_VERSION_UNAVAILABLE when none will come.
   */
  acquire(urgent: () => boolean): Promise<BatchSlot>;
  /** Undefined when a batch could run, else the reason for an operator. */
  fault(): string | undefined;
  /** What runs the model here; a degraded place of several counts. Absent, or undefined, where nobody knows. */
  placement?(): Placement | undefined;
}

/** The right to run one batch: either `run` or `release` must be called, once. */
export interface BatchSlot {
  /**
   * Embeds `texts`, which carry their prompts, and gives the place back. Never rejects: a failure is every text's outcome. `signal`
   * aborts once nobody waits for any of them; a server then need not be waited for.
   */
  run(texts: readonly string[], signal?: StopSignal): Promise<BatchResult>;
  release(): void;
}

/** What came of a batch. */
export interface BatchResult {
  /** In the order of the texts. */
  readonly outcomes: readonly EmbedOutcome[];
  /** The session runs that it took, for spans; empty where nobody knows. */
  readonly sessions: readonly SessionRun[];
  /** Time spent in tokenizing, in ms. */
  readonly tokenizeMs: number;
}

/** One run of a session. Times are in ms since the epoch. */
export interface SessionRun {
  readonly start: number;
  readonly end: number;
  readonly texts: number;
  /** Padding included. */
  readonly tokens: number;
}
