import { overloaded } from '../errors.js';
import type { Overload } from '../overload.js';
import type { DrainRate } from './drain-rate.js';
import type { LengthEstimate } from './estimate.js';
import type { Lane } from './lane.js';
import type { Entry } from './queue-entry.js';

export interface QueueBoundsOptions {
  /** Id of the model, for errors. */
  readonly model: string;
  /** Tokens of a text at most. */
  readonly maxTokens: number;
  readonly limits: {
    readonly maxQueueTexts: number;
    readonly maxQueueTokens: number;
    /** Default: any. */
    readonly maxQueueMs?: number;
  };
  readonly overload?: Pick<Overload, 'lasts'> | undefined;
  /** What waits in the interactive lane. */
  readonly interactive: Pick<Lane<Entry>, 'texts' | 'tokens' | 'oldest'>;
  /** What waits in either lane or is being computed, by text. */
  readonly entries: ReadonlyMap<string, Entry>;
  readonly estimate: Pick<LengthEstimate, 'of'>;
  readonly drain: Pick<DrainRate, 'waitFor' | 'timeFor'>;
}

/** What may wait in the interactive lane of a model. */
export interface QueueBounds {
  /** Throws OVERLOADED when the new ones among `texts` don't fit into the lane, or would wait too long in it. */
  admit(texts: readonly string[]): void;
  /**
   * Under an overload, refuses what has waited for too long: the workers have slowed since it was let in, and those who have only just
   * asked get their answers in time instead. Only until as many are refused as were turned away since the last batch, since others must
   * come in their places: what a burst has left in the queue is answered. A call goes whole, which may be a few more.
   */
  refuseStale(): void;
}

/**
 * Share of `maxQueueMs` that is left under an overload that lasts. A queue that takes a burst is good; one that never empties costs those
 * who are taken their time and gives the workers nothing (K. Nichols and V. Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012).
 */
const STANDING = 0.5;

/** Makes the bounds of an interactive lane. */
export function createQueueBounds(options: QueueBoundsOptions): QueueBounds {
  const { model, maxTokens, overload, interactive, entries, estimate, drain } = options;
  const { maxQueueTexts, maxQueueTokens, maxQueueMs = Infinity } = options.limits;
  const tooMany = `too many texts wait for the model version ${model}`;
  /** Texts that found no room since the last batch. */
  let turnedAway = 0;

  /** Whether a call that comes now would wait too long. What it brings itself doesn't count: large or small, it waits for those before it. */
  function isLate(): boolean {
    const maxMs = (overload?.lasts() ?? 0) > maxQueueMs ? maxQueueMs * STANDING : maxQueueMs;
    return (
      (drain.waitFor(interactive.tokens) ?? 0) > maxMs ||
      performance.now() - (interactive.oldest?.since ?? Infinity) > maxMs
    );
  }

  /** Those among `texts` that would be added to the lane, and their tokens. */
  function newOnes(texts: readonly string[]): { readonly count: number; readonly tokens: number } {
    const fresh = new Set<string>();
    let tokens = 0;
    for (const text of texts) {
      const entry = entries.get(text);
      // One that waits in the bulk lane will change over.
      if (fresh.has(text) || (entry && !(entry.waiting && entry.lane === 'bulk'))) continue;
      fresh.add(text);
      tokens += estimate.of(text);
    }
    return { count: fresh.size, tokens };
  }

  return {
    admit: (texts) => {
      const fits = (count: number, tokens: number): boolean =>
        interactive.texts + count <= maxQueueTexts && interactive.tokens + tokens <= maxQueueTokens;
      const late = isLate();
      // Nearly always so, and cheap to see.
      if (!late && fits(texts.length, texts.length * maxTokens)) return;
      const { count, tokens } = newOnes(texts);
      if (count === 0 || (!late && fits(count, tokens))) return;
      const alone = count > maxQueueTexts || tokens > maxQueueTokens;
      if (!alone) turnedAway += count;
      throw overloaded(
        alone ? `more texts at once than may wait for the model version ${model}: send fewer` : tooMany,
        drain.timeFor(interactive.tokens),
      );
    },
    refuseStale: () => {
      const least = interactive.texts - turnedAway;
      turnedAway = 0;
      if (overload?.lasts() === undefined) return;
      const since = performance.now() - maxQueueMs * STANDING;
      let { oldest } = interactive;
      while (oldest && oldest.since < since && interactive.texts > least) {
        for (const { caller } of oldest.tickets) {
          if (caller.lane === 'bulk' || caller.waiting < caller.tickets.length) continue;
          caller.call.refuse(overloaded(tooMany, drain.timeFor(interactive.tokens)));
        }
        // Somebody still waits for it: it starts the next batch.
        if (oldest === interactive.oldest) return;
        oldest = interactive.oldest;
      }
    },
  };
}
