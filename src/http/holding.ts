import type { Overload } from '../overload.js';

/** Refusals that are held back go out some at a time, so many ms apart at most: each alone would wake this process and a client. */
const TICK_MS = 20;
/** Ticks in the time for which one is held back at least, lest all come again at once. */
const TICKS = 8;

export interface HoldingOptions {
  /** How long a refusal is held back at most, in ms; 0 for never. */
  readonly ms: number;
  /** Refusals held back at once at most; more are told at once. */
  readonly most: number;
  /** Counts all refusals here, and tells when they are to be held back. */
  readonly overload: Pick<Overload, 'refused' | 'lasts'>;
}

/** Decides when a client is told that it is refused. */
export interface Holding {
  /** Calls `tell` at once, or a moment later while more is refused than answered. */
  refuse(tell: () => void): void;
}

/**
 * Holds refusals back for a moment while they are many and more than the answers: a client that does not wait for `Retry-After` asks again as soon as
 * it has read the refusal, thousands of times a second, which takes the cores that compute answers. Held back by `ms` at most and half of it at least, evenly, lest
 * all come again at once, it costs next to nothing. A lone refusal is told at once: a load balancer may try another replica.
 */
export function createHolding({ ms, most, overload }: HoldingOptions): Holding {
  let held = 0;
  const tickMs = Math.min(TICK_MS, ms / TICKS);
  /** Those that are held back, by the number of the tick at which they go out. */
  const ticks = new Map<number, (() => void)[]>();
  const tellAll = (tick: number): void => {
    const tells = ticks.get(tick) ?? [];
    ticks.delete(tick);
    held -= tells.length;
    for (const tell of tells) tell();
  };
  return {
    refuse: (tell) => {
      overload.refused();
      if (ms === 0 || overload.lasts() === undefined || held >= most) {
        tell();
        return;
      }
      held += 1;
      const now = performance.now();
      const first = Math.ceil((now + ms / 2) / tickMs);
      const last = Math.floor((now + ms) / tickMs);
      const tick = first + Math.floor(Math.random() * (last - first + 1));
      const others = ticks.get(tick);
      if (others) {
        others.push(tell);
        return;
      }
      ticks.set(tick, [tell]);
      setTimeout(tellAll, tick * tickMs - now, tick);
    },
  };
}
