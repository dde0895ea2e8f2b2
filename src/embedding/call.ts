import { KindredError, abortError } from '../errors.js';
import type { EmbedOptions, EmbedOutcome } from './embedder.js';

/** Timers can't wait longer than this, in ms. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** One caller's texts on their way: each gets exactly one outcome. */
export interface Call {
  /** Resolves, in the order of the texts, when each has its outcome; rejects only by `refuse`. */
  readonly outcomes: Promise<EmbedOutcome[]>;
  /** Answers one text; true when it was the last. What comes after the caller has left is dropped. */
  readonly settle: (index: number, outcome: EmbedOutcome) => boolean;
  /** Answers DEADLINE_EXCEEDED when the deadline is before `now`, in ms of `performance.now()`: a timer may be late. */
  readonly expire: (now: number) => void;
  /** Rejects the whole call; its caller leaves by that. */
  readonly refuse: (error: unknown) => void;
}

/** What makes a caller leave before its texts are done. */
export type Patience = Pick<EmbedOptions, 'signal' | 'deadline'>;

/** The error of a caller that has left already, if it has. */
export function leftAlready({ signal, deadline }: Patience): KindredError | undefined {
  if (signal?.aborted) return abortError(signal);
  return deadline !== undefined && deadline <= performance.now() ? deadlineError() : undefined;
}

/**
 * Opens a call of `size` texts. When its signal aborts or its deadline passes, every text without an outcome gets that error,
 * then `onLeave` runs once, to drop the work that nobody else wants.
 */
export function openCall(size: number, { signal, deadline }: Patience, onLeave: () => void): Call {
  const outcomes = new Array<EmbedOutcome | undefined>(size).fill(undefined);
  let open = size;
  let timer: NodeJS.Timeout | undefined;
  let resolve: (outcomes: EmbedOutcome[]) => void;
  let reject: (error: unknown) => void;
  const finished = new Promise<EmbedOutcome[]>((...settlers) => {
    [resolve, reject] = settlers;
  });

  const finish = (): void => {
    open = 0;
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    // Every place is filled now, unless the call was refused before.
    resolve(outcomes as EmbedOutcome[]);
  };
  const leave = (error: KindredError): void => {
    if (open === 0) return;
    for (let index = 0; index < size; index++) outcomes[index] ??= error;
    finish();
    onLeave();
  };
  const refuse = (error: unknown): void => {
    if (open === 0) return;
    reject(error);
    finish();
    onLeave();
  };
  const abort = (): void => {
    if (signal) leave(abortError(signal));
  };
  const expire = (now: number): void => {
    if (deadline !== undefined && deadline <= now) leave(deadlineError());
  };
  const settle = (index: number, outcome: EmbedOutcome): boolean => {
    if (open === 0 || outcomes[index] !== undefined) return false;
    outcomes[index] = outcome;
    open -= 1;
    if (open > 0) return false;
    finish();
    return true;
  };

  if (size === 0) finish();
  else {
    signal?.addEventListener('abort', abort);
    if (deadline !== undefined) {
      const wait = Math.min(Math.max(deadline - performance.now(), 0), LONGEST_TIMER);
      timer = setTimeout(() => {
        leave(deadlineError());
      }, wait);
    }
  }
  return { outcomes: finished, settle, expire, refuse };
}

function deadlineError(): KindredError {
  return new KindredError('DEADLINE_EXCEEDED', 'the deadline passed before the text was embedded');
}
