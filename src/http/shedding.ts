import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { Overload } from '../overload.js';
import { type IdleCores, createIdleCores } from './idle-cores.js';

/** How often the share is set anew, in ms. */
const WINDOW_MS = 100;
/** Windows in a row in which more is refused than answered before anything is shed: a burst is no overload. */
const PATIENCE = 3;
/** How much more is let in than was answered: what keeps trying whether there is room for more. */
const MARGIN = 1.2;
/** Requests let in within a window at least: an answer is needed to learn from. */
const LEAST = 2;
/** Weight of the last window in the running rate of answers. */
const LEARNING = 0.25;
/** The main thread has time again below this share of the share at which shedding starts. */
const AT_EASE = 0.7;
/** Cores that are idle at most when there is none left for what computes, and at least when there is one again. */
const NO_CORE = 0.25;
const A_CORE = 0.75;

export interface SheddingOptions {
  /** Share of its time that the main thread may be at work before it sheds; 1 for never. */
  readonly above: number;
  /** Share of the time since `last` that the main thread was at work. */
  readonly utilisation?: (last?: EventLoopUtilization) => EventLoopUtilization;
  readonly idleCores?: IdleCores;
  /** Counts all requests that are refused, shed ones too, and all that are answered. */
  readonly overload: Pick<Overload, 'counts'>;
  /** Told once a window in which requests were shed. */
  readonly onShed: (shed: number, offered: number) => void;
}

/** Decides by the load alone which requests are refused before anything of them is read. */
export interface Shedding {
  /** Whether the request that has just come is to be refused. */
  sheds(): boolean;
  stop(): void;
}

/**
 * Sheds requests while refusing itself is what costs answers: for 0.3 s on end more requests were refused than answered, and the
 * main thread had no time left, or no core of the machine was idle, so that it took one from the workers. Reading a request only to refuse
 * it costs a third of answering it. Then as many are let in as were answered lately and a fifth more, which finds out whether there is room
 * again; the others go by turns, so that no client is starved. While there is time and a core, nothing is shed: a request that the cache
 * answers must not be refused because a model is busy.
 */
export function createShedding({
  above,
  overload,
  onShed,
  utilisation = (last) => performance.eventLoopUtilization(last),
  idleCores = createIdleCores(),
}: SheddingOptions): Shedding {
  let offered = 0;
  let shed = 0;
  let before = { ...overload.counts };
  /** Answers a window, running. */
  let rate = 0;
  /** Windows in a row in which most of the work was to refuse. */
  let refusingFor = 0;
  /** Share of the requests that are shed. */
  let share = 0;
  /** Adds up to the next request to shed. */
  let due = 0;
  let last = utilisation();

  const turn = (): void => {
    const now = utilisation();
    const { active, idle } = { active: now.active - last.active, idle: now.idle - last.idle };
    last = now;
    const busy = active / Math.max(active + idle, 1e-3);
    if (shed > 0) onShed(shed, offered);
    const answered = overload.counts.answered - before.answered;
    const refused = overload.counts.refused - before.refused;
    before = { ...overload.counts };
    refusingFor = refused > answered ? refusingFor + 1 : 0;
    const watched = refusingFor > 0 || share > 0;
    if (!watched) idleCores.rest();
    const cores = watched ? idleCores.look() : Infinity;
    // The best window before it begins; from then on a running mean, since a single window says little.
    if (share > 0) rate += (answered - rate) * LEARNING;
    else rate = refusingFor > 0 ? Math.max(rate, answered) : 0;
    const overloaded =
      share > 0
        ? busy > above * AT_EASE || cores < A_CORE
        : refusingFor >= PATIENCE && (busy > above || cores < NO_CORE);
    share = overloaded ? Math.max(0, 1 - Math.max(LEAST, rate * MARGIN) / Math.max(offered, 1)) : 0;
    offered = shed = 0;
  };
  const timer = above < 1 ? setInterval(turn, WINDOW_MS).unref() : undefined;

  return {
    sheds: () => {
      offered += 1;
      due += share;
      if (share === 0 || due < 1) return false;
      due -= 1;
      shed += 1;
      return true;
    },
    stop: () => {
      clearInterval(timer);
    },
  };
}
