import { KindredError, badInput } from '../../errors.js';
import type { Bundle } from '../../models/bundle.js';
import type { EmbedOutcome } from '../embedder.js';
import { damaged } from '../image/limits.js';
import type { RunResult, TextFault } from './messages.js';

/** One outcome a text from a worker's flat reply. Each vector gets a buffer of its own: keeping one must not keep its batch. */
export function outcomesOf({ manifest }: Bundle, result: RunResult): EmbedOutcome[] {
  const { dimension, id } = manifest;
  const faults = new Map(result.faults.map(({ text, fault }) => [text, fault]));
  return Array.from(result.tokens, (tokens, text) => {
    const fault = faults.get(text);
    if (fault) return faultError(id, fault);
    const vector = result.vectors.slice(text * dimension, (text + 1) * dimension);
    return { vector, tokens, truncated: result.truncated[text] === 1 };
  });
}

function faultError(model: string, fault: TextFault): KindredError {
  switch (fault) {
    case 'EMPTY':
      return badInput(`expected a text with something that the model version ${model} reads`, 'EMPTY');
    case 'ZERO_NORM':
      return badInput(`the model version ${model} knows no word of the text`, 'ZERO_NORM');
    case 'BAD_IMAGE':
      return damaged();
    case 'IMAGE_TOO_LARGE':
      return badInput('expected an image of fewer pixels', 'IMAGE_TOO_LARGE');
    case 'NOT_FINITE':
    case 'FAILED':
      return new KindredError('INTERNAL_SERVER_ERROR', `the model version ${model} failed on the text`);
  }
}
