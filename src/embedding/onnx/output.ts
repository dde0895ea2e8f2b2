import type { Tensor } from 'onnxruntime-node';
import type { TextManifest } from '../../models/manifest.js';
import { float16ToFloat32 } from './float16.js';
import { cutRows, normaliseRows, poolTokens } from './pooling.js';

/** What a session run was given. */
interface Fed {
  /** Of the ids: `[rows, length]`, rows and padding included that only fill a bucket; or `[tokens]`, where texts are packed. */
  readonly shape: readonly number[];
  /** Of the rows that count, without padding. */
  readonly lengths: readonly number[];
  /** Whether the graph pools, cuts and normalises whatever model.json says of the model's own graph. */
  readonly whole: boolean;
}

/**
 * The vectors `[rows, dimension]` of a session's output, pooled, cut and normalised as far as the graph has not done it. Throws when
 * the output's type or shape is not as model.json says.
 */
export function vectorsOf(manifest: TextManifest, output: Tensor | undefined, fed: Fed): Float32Array {
  const { dimension, pooling } = manifest;
  const { shape, lengths, whole } = fed;
  const width = whole ? dimension : (manifest.outputDimension ?? dimension);
  const pooled = whole || manifest.poolingInGraph;
  const [rows = 0, length = 0] = shape.length === 1 ? [lengths.length] : shape;
  const expected = pooled ? [rows, width] : [rows, length, width];
  const data = floatsOf(output);
  const dims = output?.dims ?? [];
  if (dims.length !== expected.length || expected.some((size, at) => size !== dims[at]))
    throw new Error(`expected an output of ${expected.join(' x ')}, but got ${dims.join(' x ')}`);
  const kept = data.subarray(0, (data.length / rows) * lengths.length);
  const vectors = pooled ? kept : poolTokens(kept, lengths, { hidden: width, pooling });
  const cut = cutRows(vectors, width, dimension);
  if (!whole && (!manifest.normalize || width !== dimension)) normaliseRows(cut, dimension);
  return cut;
}

function floatsOf(output: Tensor | undefined): Float32Array {
  if (output?.data instanceof Float32Array) return output.data;
  if (output?.type === 'float16') return float16ToFloat32(output.data as unknown as ArrayBufferView);
  throw new Error(`expected a float32 or float16 output, but got ${String(output?.type)}`);
}
