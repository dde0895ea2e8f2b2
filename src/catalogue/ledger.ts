import { LRUCache } from 'lru-cache';
import type { EmbedOutcome } from '../embedding/embedder.js';
import { KindredError } from '../errors.js';
import type { Collection } from '../vectors/store.js';
import type { BulkEmbedder } from './bulk-embed.js';
import type { Catalogue } from './catalogue.js';
import { contentHash } from './hash.js';
import { renderText } from './template.js';

/** Vectors kept of texts that were embedded: some 15 MB of 384 numbers. */
const KEPT = 10_000;

/** An item's text on its way to a vector. */
export interface LedgerEntry {
  readonly id: string;
  readonly text: string;
  /** The content hash of the record that the collection has by this id; null for none. */
  readonly known: string | null;
}

/** Finds the vectors of documents, and embeds a text only when no vector of it is there. */
export interface Ledger {
  /** Outcomes in the order of `entries`. Rejects as BulkEmbedder does, and with what the store rejects with. */
  embed(entries: readonly LedgerEntry[], signal: AbortSignal): Promise<EmbedOutcome[]>;
}

export interface LedgerOptions {
  readonly bulk: BulkEmbedder;
  readonly catalogue: Catalogue;
  readonly collection: Pick<Collection, 'fetch' | 'vectors'>;
  /** Tries a call of the store again while it may pass. */
  readonly again: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * Embeds each text once a version: one that an item had before, when only its other fields have changed, and one that another item of this run has, are
 * not embedded again. A vector of the collection counts when its record's hash proves that it was made from the item's text, and not given.
 */
export function createLedger({ bulk, catalogue, collection, again }: LedgerOptions): Ledger {
  const kept = new LRUCache<string, EmbedOutcome>({ max: KEPT });

  /** Learns the texts of records that are there. */
  const learn = async (entries: readonly LedgerEntry[]): Promise<void> => {
    const there = entries.filter(({ known, text }) => known !== null && known !== '' && !kept.has(text));
    if (there.length === 0) return;
    const items = await again(() => collection.fetch(there.map(({ id }) => id)));
    const same = there.filter(({ text, known }, at) => {
      const item = items[at];
      return (
        item !== null &&
        item !== undefined &&
        renderText(catalogue, item) === text &&
        contentHash(item, text) === known
      );
    });
    if (same.length === 0) return;
    const vectors = await again(() => collection.vectors(same.map(({ id }) => id)));
    same.forEach(({ text }, at) => {
      const vector = vectors[at];
      if (vector) kept.set(text, { vector, tokens: 0, truncated: false });
    });
  };

  return {
    embed: async (entries, signal) => {
      await learn(entries);
      const found = new Map<string, EmbedOutcome>();
      const fresh = new Set<string>();
      for (const { text } of entries) {
        const outcome = kept.get(text);
        if (outcome === undefined) fresh.add(text);
        else found.set(text, outcome);
      }
      const texts = [...fresh];
      const outcomes = await bulk.embed(texts, signal);
      texts.forEach((text, at) => {
        const outcome = outcomes[at];
        if (outcome === undefined) return;
        found.set(text, outcome);
        if (!(outcome instanceof KindredError)) kept.set(text, outcome);
      });
      return entries.map(
        ({ text }) =>
          found.get(text) ?? new KindredError('INTERNAL_SERVER_ERROR', 'the model gave no answer'),
      );
    },
  };
}
