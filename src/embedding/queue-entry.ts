import type { Span } from '@opentelemetry/api';
import type { Stop } from '../stop.js';
import type { Call } from './call.js';
import type { EmbedLane } from './embedder.js';

/** A text that waits or is being computed, once for all who ask for it. */
export interface Entry {
  readonly text: string;
  readonly tokens: number;
  /** When it came to its lane. */
  since: number;
  lane: EmbedLane;
  waiting: boolean;
  readonly tickets: Set<Ticket>;
  /** The batch that computes it. */
  batch?: Underway;
}

/** A batch under way. */
export interface Underway {
  readonly entries: readonly Entry[];
  /** Entries that somebody waits for; when there are none left, the runner need not go on. */
  wanted: number;
  readonly stop: Stop;
}

/** One caller's claim on one entry. */
export interface Ticket {
  readonly entry: Entry;
  readonly index: number;
  readonly caller: Caller;
}

/** A call while it has texts in the queue or under way. */
export interface Caller {
  readonly call: Call;
  readonly lane: EmbedLane;
  readonly span: Span;
  readonly tickets: Ticket[];
  /** Its texts that no worker has started; the queue span ends with the last. */
  waiting: number;
}

/** A bulk call of which some texts have found no room yet. */
export interface Backlog {
  readonly texts: readonly string[];
  readonly caller: Caller;
  /** The first text without room. */
  next: number;
}
