import type { EmbedLane } from './embedder.js';

/** Interactive batches after which a bulk batch may go before interactive texts: 6% of the batches at most. */
const INTERACTIVE_BATCHES = 16;

/** One model's queue, as far as others that use the same workers must know it. */
export interface SharedQueue {
  /** When its oldest interactive text came, in ms of `performance.now()`; undefined when none waits. */
  oldestInteractive(): number | undefined;
  bulkTexts(): number;
}

/** One queue's part in the share. */
export interface BulkTurn {
  /** Whether the next batch should be a bulk one of this queue although interactive texts wait. */
  due(): boolean;
  started(lane: EmbedLane): void;
  ended(lane: EmbedLane): void;
  leave(): void;
}

/** What the queues of all models on one set of workers share. */
export interface BulkShare {
  join(queue: SharedQueue): BulkTurn;
}

interface Member {
  readonly queue: SharedQueue;
  /** When its last bulk batch started. */
  last: number;
}

/**
 * Interactive texts go first, but constant load of them must not hold an import up for ever: now and then one bulk batch goes before them.
 * Only when no text that waits has been held up by a bulk batch already, of whatever model: so none is by more than one.
 */
export function createBulkShare(): BulkShare {
  const members = new Set<Member>();
  let interactiveBatches = 0;
  let bulkRunning = 0;
  let lastEnd = -Infinity;

  const heldUp = ({ queue }: Member): boolean => (queue.oldestInteractive() ?? Infinity) <= lastEnd;
  return {
    join: (queue) => {
      const member: Member = { queue, last: -Infinity };
      members.add(member);
      return {
        due: () => {
          if (interactiveBatches < INTERACTIVE_BATCHES || bulkRunning > 0 || queue.bulkTexts() === 0)
            return false;
          for (const other of members) {
            if (heldUp(other)) return false;
            // Models take turns.
            if (other.last < member.last && other.queue.bulkTexts() > 0) return false;
          }
          return true;
        },
        started: (lane) => {
          if (lane === 'interactive') {
            interactiveBatches += 1;
            return;
          }
          interactiveBatches = 0;
          bulkRunning += 1;
          member.last = performance.now();
        },
        ended: (lane) => {
          if (lane === 'interactive') return;
          bulkRunning -= 1;
          lastEnd = performance.now();
        },
        leave: () => members.delete(member),
      };
    },
  };
}
