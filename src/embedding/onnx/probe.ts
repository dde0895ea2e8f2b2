import type { TextFault } from './messages.js';

/** Least cosine between the probe's vector and the one in model.json; other machines round differently, other weights don't. */
const PROBE_COSINE = 0.999;
const NORM_TOLERANCE = 1e-3;
const ZERO_SQUARE = 1e-12;

/** Why a vector can't be given out; undefined when its norm is 1. */
export function faultOf(vector: Float32Array): TextFault | undefined {
  let square = 0;
  for (const value of vector) square += value * value;
  if (!Number.isFinite(square)) return 'NOT_FINITE';
  if (square < ZERO_SQUARE) return 'ZERO_NORM';
  return Math.abs(Math.sqrt(square) - 1) <= NORM_TOLERANCE ? undefined : 'FAILED';
}

/** Throws when the probe text did not embed to its vector in model.json; with `probe` null, only when it embedded to no unit vector. */
export function checkVector(probe: Float32Array | null, vector: Float32Array | undefined): void {
  const fault = vector ? faultOf(vector) : 'EMPTY';
  if (!vector || fault)
    throw new Error(`expected a vector of norm 1 for the probe text, but got ${String(fault)}`);
  if (!probe) return;
  const cosine = vector.reduce((sum, value, at) => sum + value * (probe[at] ?? 0), 0);
  if (!(cosine >= PROBE_COSINE))
    throw new Error(
      `expected the probe text to embed to its vector in model.json, but the cosine is ${cosine.toFixed(4)}`,
    );
}
