import type { KindredError } from '../errors.js';
import type { StopSignal } from '../stop.js';
import type { ImageSource } from './image/source.js';

/** What a text is embedded for: models with prompt prefixes treat queries and documents differently. */
export type EmbedPurpose = 'query' | 'document';

/** `interactive` texts go before `bulk` ones (imports, backfills). */
export type EmbedLane = 'interactive' | 'bulk';

/** One embedded text. */
export interface Embedding {
  /** L2-normalised, `[dimension]`. */
  readonly vector: Float32Array;
  /** Tokens of the text as the model saw it, special tokens included; 0 where a server does not tell. */
  readonly tokens: number;
  /** True when the text was longer than the model's limit and its end was dropped. */
  readonly truncated: boolean;
}

/** The answer for one text: its embedding, or the error that only this text had. */
export type EmbedOutcome = Embedding | KindredError;

export interface EmbedOptions {
  readonly purpose: EmbedPurpose;
  /** Default `interactive`. */
  readonly lane?: EmbedLane;
  /** Aborting drops texts that no worker has started yet; they are answered with the signal's reason. */
  readonly signal?: StopSignal;
  /** When the answer is worthless, in ms of `performance.now()`. */
  readonly deadline?: number;
}

/** The model behind an embedder. */
export interface EmbedderModel {
  readonly id: string;
  /** SHA-256 over the digests of all its files: names vectors that may be compared with one another. */
  readonly digest: string;
  readonly dimension: number;
  readonly maxTokens: number;
  /** Smaller dimensions that its vectors may be cut to (Matryoshka); undefined: none. */
  readonly matryoshka?: readonly number[];
}

/** What runs a local model: told by its workers, shown by `/readyz` and `models`. */
export interface Placement {
  /** The execution provider, e.g. `cuda`. */
  readonly provider: string;
  /** Why it is not the configured one, for operators; absent when it is. */
  readonly degraded?: string;
}

export interface EmbedderHealth {
  readonly ready: boolean;
  /** Why it is not ready, for an operator; never sent to clients. */
  readonly reason?: string;
  /** Absent for what does not run here. */
  readonly placement?: Placement;
  /** Texts waiting for a worker. */
  readonly queued: number;
}

/** Whatever turns texts into vectors: a local ONNX session, a cache before it, a remote server. */
export interface Embedder {
  readonly model: EmbedderModel;
  /**
   * Embeds `texts`, answering in their order; never throws for a single bad text. Rejects with a KindredError only when the whole
   * call can't be taken.
   */
  embed(texts: readonly string[], options: EmbedOptions): Promise<EmbedOutcome[]>;
  /** As `embed`, for images; absent where the model reads none. `purpose` makes no difference. */
  readonly embedImages?: (images: readonly ImageSource[], options: EmbedOptions) => Promise<EmbedOutcome[]>;
  health(): EmbedderHealth;
  close(): Promise<void>;
}
