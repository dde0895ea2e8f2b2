/** A state as it is stored. */
export interface StoredState {
  /** Differs between any two states that were ever stored. */
  readonly tag: string;
  readonly text: string;
}

/** What came of a write: it is stored, something else was, or what was lost is just being put back. */
export type WriteResult = 'stored' | 'conflict' | 'settling';

/** Time after a lost state was put back in which only states that were lost are taken, in ms: a replica may know a later one. */
export const SETTLE_MS = 2_000;

/** Where replicas meet: one text, replaced by compare-and-set. Calls reject when the place can't be reached. */
export interface StateStore {
  /** For people: where it is. */
  readonly name: string;
  /** Null when nothing is stored. */
  read(): Promise<StoredState | null>;
  /**
   * Stores `text` if what is stored has the tag `expected`, or if nothing is stored and `expected` is null. `restores` says that it was stored before and
   * was lost.
   */
  write(
    expected: string | null,
    text: string,
    options?: { readonly restores?: boolean },
  ): Promise<WriteResult>;
  close(): Promise<void>;
}
