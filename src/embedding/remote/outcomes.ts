import { KindredError, badInput } from '../../errors.js';
import type { EmbedOutcome } from '../embedder.js';
import { RemoteFault, badAnswer } from './fault.js';
import type { RawVector, RemoteVectors } from './protocol.js';

/** Below this, squared, a vector has no direction. */
const LEAST_SQUARE = 1e-24;

/** One outcome a text, with vectors of norm 1 in buffers of their own. Throws RemoteFault `refused` when a vector has another dimension. */
export function outcomesOf(
  { id, dimension }: { id: string; dimension: number },
  { vectors, tokens, truncated }: RemoteVectors,
): EmbedOutcome[] {
  for (const vector of vectors) {
    if (vector.length !== dimension)
      throw badAnswer(`expected vectors of dimension ${String(dimension)}, but got ${String(vector.length)}`);
  }
  return vectors.map((raw, index) => {
    const vector = normalised(raw);
    if (vector === 'NOT_FINITE')
      return new KindredError('INTERNAL_SERVER_ERROR', `the model version ${id} failed on the text`);
    if (vector === 'ZERO_NORM')
      return badInput(`the model version ${id} knows no word of the text`, 'ZERO_NORM');
    return { vector, tokens: tokens?.[index] ?? 0, truncated: truncated?.[index] ?? false };
  });
}

/** In float64 until the end: a norm squared may be beyond what float32 holds. */
function normalised(raw: RawVector): Float32Array | 'NOT_FINITE' | 'ZERO_NORM' {
  const size = raw.length;
  const copy = new Float64Array(size);
  let square = 0;
  for (let at = 0; at < size; at++) {
    const value: unknown = raw[at];
    // JSON may hold null where a number belongs.
    if (typeof value !== 'number') return 'NOT_FINITE';
    copy[at] = value;
    square += value * value;
  }
  if (!Number.isFinite(square)) return 'NOT_FINITE';
  if (square < LEAST_SQUARE) return 'ZERO_NORM';
  const scale = 1 / Math.sqrt(square);
  const vector = new Float32Array(size);
  for (let at = 0; at < size; at++) vector[at] = (copy[at] ?? 0) * scale;
  return vector;
}

/** What clients see of a fault that all texts of a batch share. */
export function faultError(id: string, fault: unknown, retryAfterMs: number): KindredError {
  const kind = fault instanceof RemoteFault ? fault.kind : undefined;
  const asked = fault instanceof RemoteFault ? fault.retryAfterMs : undefined;
  switch (kind) {
    case 'unreachable':
      return new KindredError(
        'UPSTREAM_UNAVAILABLE',
        `the server of the model version ${id} does not answer`,
        {
          retryAfterMs: asked ?? retryAfterMs,
          cause: fault,
        },
      );
    case 'busy':
      return new KindredError('OVERLOADED', `the server of the model version ${id} has no room`, {
        retryAfterMs: asked ?? retryAfterMs,
        cause: fault,
      });
    case 'cancelled':
      return new KindredError('REQUEST_CANCELLED', 'the request was cancelled', { cause: fault });
    default:
      return new KindredError('MODEL_VERSION_UNAVAILABLE', `the model version ${id} can't answer now`, {
        retryAfterMs,
        cause: fault,
      });
  }
}

/** What clients see when the server works and refuses this one text. */
export function textError(id: string, fault: RemoteFault): KindredError {
  const { status, tooLong } = fault;
  if (tooLong) return badInput(`the text is too long for the model version ${id}`, 'TEXT_TOO_LONG');
  if (status !== undefined && status < 500)
    return badInput(`the model version ${id} refuses the text`, 'BAD_TEXT');
  return new KindredError('INTERNAL_SERVER_ERROR', `the model version ${id} failed on the text`, {
    cause: fault,
  });
}
