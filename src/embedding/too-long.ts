import { KindredError, badInput } from '../errors.js';
import type { EmbedOutcome, EmbedderModel } from './embedder.js';

/** What becomes of a text that is longer than its model reads: embedded without its end, or refused with TEXT_TOO_LONG. */
export type TooLong = 'truncate' | 'refuse';

/**
 * `outcome` as a caller who chose `onTooLong` gets it. The choice comes after the embedding, so that caches and batches are shared by
 * callers who choose differently.
 */
export function settleTooLong(
  outcome: EmbedOutcome,
  onTooLong: TooLong,
  { maxTokens }: Pick<EmbedderModel, 'maxTokens'>,
): EmbedOutcome {
  if (onTooLong === 'truncate' || outcome instanceof KindredError || !outcome.truncated) return outcome;
  return badInput(
    `expected a text of at most ${maxTokens} tokens, special tokens included, but got more`,
    'TEXT_TOO_LONG',
  );
}
