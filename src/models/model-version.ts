import type { Catalogue } from '../catalogue/catalogue.js';
import type { Embedder } from '../embedding/embedder.js';
import type { VersionRecord, VersionState } from '../rollout/state.js';
import type { Calibration } from '../search/calibration.js';
import type { Collection } from '../vectors/store.js';

/** What a search goes by: the meaning of the query, its words, or both. */
export type SearchMode = 'SEMANTIC' | 'LEXICAL' | 'HYBRID';

/** The part that a version plays. `STABLE` answers by default; `CANDIDATE` is on trial; `IDLE` answers only by name. */
export type ModelRole = 'STABLE' | 'CANDIDATE' | 'IDLE';

/** `LOADING` and `FAILED` versions answer MODEL_VERSION_UNAVAILABLE. */
export type ModelHealth = 'LOADING' | 'READY' | 'FAILED';

/** What clients may know of a model version. */
export interface ModelVersion {
  readonly id: string;
  readonly name: string;
  readonly dimension: number;
  readonly maxTokens: number;
  readonly role: ModelRole;
  /** Where it stands on its way into production and out of it. */
  readonly state: VersionState;
  /** Share of the requests without a version of their own that it answers, 0 to 1. */
  readonly traffic: number;
  readonly health: ModelHealth;
  /** When it stops answering; null while nobody has decided. */
  readonly sunsetAt: Date | null;
  /** The version that answers in its place, once it retires. */
  readonly successor: string | null;
  /** What is known of its rollout: progress, proofs, gate. */
  readonly rollout: Pick<VersionRecord, 'since' | 'backfill' | 'verified' | 'gate' | 'trial'>;
  /** What a search of its items may go by; none while it can't answer. */
  readonly searchModes: readonly SearchMode[];
  /** What runs it here, e.g. `cuda`; null while it has never loaded, and for remote ones. */
  readonly executionProvider: string | null;
  /** Whether it runs on the CPU because the configured provider failed. */
  readonly degraded: boolean;
  /** What makes a relevance of its cosines; null while no gate has told. */
  readonly calibration: Calibration | null;
  /** SHA-256 over the digests of its files; '' while it has never loaded. */
  readonly digest: string;
}

/** A version that can answer: its embedder and the vectors that this embedder made. */
export interface ServedModel {
  readonly version: ModelVersion;
  readonly embedder: Embedder;
  readonly collection: Collection;
  /** What its texts and columns are made by. */
  readonly catalogue: Catalogue;
}

/** The versions behind this gateway. */
export interface ModelRegistry {
  /** All versions but those that are gone, failed ones too: those of the config in its order, then those that came later. */
  versions(): ModelVersion[];
  /**
   * The version that `reference` (an id, or the alias `stable` or `candidate`) names; null lets the traffic policy choose.
   * Throws MODEL_VERSION_NOT_FOUND, naming the successor of one that is gone, or MODEL_VERSION_UNAVAILABLE when it is known and can't answer.
   */
  resolve(reference?: string | null): ServedModel;
  /** Every version that can answer now. */
  served(): ServedModel[];
  /** True when every version that is configured or has traffic can answer and its embedder is ready. */
  ready(): boolean;
  /** For operators: why versions can't answer, by id. Never sent to clients. */
  faults(): Record<string, string>;
  /** For operators: why versions that answer don't run where they should, by id. Never sent to clients. */
  degradations(): Record<string, string>;
  /** Loads and drops versions as the rollout has it by now. */
  sync(): void;
  close(): Promise<void>;
}
