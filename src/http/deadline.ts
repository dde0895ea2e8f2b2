import { KindredError } from '../errors.js';
import { type StopSignal, createStop } from '../stop.js';

/** How long well-behaved work may take to notice its end, in ms: it fails by itself then, and spares its siblings' results. */
const NOTICE_MS = 50;

/** Header by which a client lowers the deadline of its request, in ms. */
const DEADLINE_HEADER = 'x-kindred-deadline-ms';

/** A request's time limit and the signal of its end. */
export interface Deadline {
  readonly signal: StopSignal;
  /** In ms of `performance.now()`. */
  readonly at: number;
  /** Ends the request early; a no-op once it has ended. */
  readonly abort: (error: KindredError) => void;
  /** Forgets the time limit: the answer is out. */
  readonly clear: () => void;
  /**
   * `work`, or the error that ended the request when the work does not end by itself soon after. The work goes on alone then:
   * nothing in JavaScript can stop it.
   */
  readonly limit: <T>(work: Promise<T>) => Promise<T>;
}

/** Starts the deadline of a request: `maxMs` from now, or sooner when the client says so. */
export function startDeadline(
  maxMs: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Deadline {
  const wanted = headers[DEADLINE_HEADER];
  const ms =
    typeof wanted === 'string' && /^[1-9]\d{0,8}$/.test(wanted) ? Math.min(maxMs, Number(wanted)) : maxMs;
  const stop = createStop();
  let giveUp: ((error: KindredError) => void) | undefined;
  const abort = (error: KindredError): void => {
    if (stop.signal.aborted) return;
    clearTimeout(timer);
    stop.abort(error);
    timer = setTimeout(() => giveUp?.(error), NOTICE_MS);
  };
  let timer = setTimeout(() => {
    abort(new KindredError('DEADLINE_EXCEEDED', `The request took longer than ${ms} ms.`));
  }, ms);
  return {
    signal: stop.signal,
    at: performance.now() + ms,
    abort,
    clear: () => {
      clearTimeout(timer);
    },
    limit: (work) => {
      const ended = new Promise<never>((_resolve, reject) => {
        giveUp = reject;
      });
      return Promise.race([work, ended]);
    },
  };
}
