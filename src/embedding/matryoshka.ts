import { KindredError, badInput } from '../errors.js';
import type { EmbedOutcome, EmbedderModel } from './embedder.js';

/**
 * Throws BAD_USER_INPUT with DIMENSION_MISMATCH unless `model` makes vectors of `dimension` numbers: its own dimension, or a smaller one
 * that it was trained to be cut to (Matryoshka representation learning, arXiv:2205.13147).
 */
export function checkDimension({ dimension: own, matryoshka = [] }: EmbedderModel, dimension: number): void {
  if (dimension === own || (dimension < own && matryoshka.includes(dimension))) return;
  const possible = [...new Set([own, ...matryoshka])].sort((a, b) => b - a).join(', ');
  throw badInput(
    `expected one of the model's dimensions (${possible}), but got ${dimension}`,
    'DIMENSION_MISMATCH',
  );
}

/** The first `dimension` numbers of an embedding, of norm 1 again; the whole embedding when it has no more. */
export function cutEmbedding(outcome: EmbedOutcome, dimension: number): EmbedOutcome {
  if (outcome instanceof KindredError || outcome.vector.length <= dimension) return outcome;
  const vector = outcome.vector.slice(0, dimension);
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (squares === 0)
    return badInput(`the text's vector has norm 0 when it is cut to ${dimension} numbers`, 'ZERO_NORM');
  const norm = Math.sqrt(squares);
  return { ...outcome, vector: vector.map((value) => value / norm) };
}
