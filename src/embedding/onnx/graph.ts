import { Tensor } from 'onnxruntime-node';
import type { TextManifest } from '../../models/manifest.js';

/** Shapes that a graph is fast in: `texts` rows of `lengths` tokens, each ascending. */
type Buckets = NonNullable<NonNullable<TextManifest['variants']>[string]['buckets']>;

/** The file that a provider runs: the bundle's own, or its variant for that provider. */
export interface Graph {
  /** Its name inside the bundle's folder. */
  readonly file: string;
  readonly inputs: readonly string[];
  /**
   * `masked`: int64 or int32 ids beside a mask. `padded-ids`: one int32 input in which 0 is padding. `packed-ids`: the int32 ids of all texts
   * one after the other, and their lengths; no padding at all.
   */
  readonly layout: 'masked' | 'padded-ids' | 'packed-ids';
  /** Inputs that take int32 where others take int64. */
  readonly int32Inputs: ReadonlySet<string>;
  /** What `input_ids` beside a mask are padded with. */
  readonly padTokenId: number;
  /** Shapes that every run is padded to; undefined where any shape is as good. */
  readonly buckets: Buckets | undefined;
}

/** Picks the graph of a bundle for the provider that runs it; which inputs take int32, only its session can tell. */
export function graphFor(manifest: TextManifest, provider: string): Graph {
  const int32Inputs: ReadonlySet<string> = new Set();
  const variant = manifest.variants?.[provider];
  const { model, inputs, padTokenId = 0 } = manifest;
  return variant
    ? {
        file: variant.model,
        ...(variant.inputs === 'packed-ids-int32'
          ? { inputs: ['input_ids', 'lengths'], layout: 'packed-ids' }
          : { inputs: ['input_ids'], layout: 'padded-ids' }),
        int32Inputs,
        padTokenId: 0,
        buckets: variant.buckets,
      }
    : { file: model, inputs, layout: 'masked', int32Inputs, padTokenId, buckets: undefined };
}

/** Rows at most of a run of `graph`, when `limit` are wanted. */
export function mostRows({ buckets }: Graph, limit: number): number {
  return Math.min(limit, buckets?.texts.at(-1) ?? limit);
}

/**
 * The inputs of a run over token ids, one list a text, padded to the longest or to the graph's bucket: `[texts, length]` each. With
 * buckets there are more rows than texts, of which the first ones count. Packed, they are `[tokens]` and `[texts]`.
 */
export function feedsOf(graph: Graph, texts: readonly (readonly number[])[]): Record<string, Tensor> {
  if (graph.layout === 'packed-ids') return packedFeeds(texts);
  const longest = texts.reduce((most, ids) => Math.max(most, ids.length), 0);
  const length = bucketOf(graph.buckets?.lengths, longest);
  const rows = bucketOf(graph.buckets?.texts, texts.length);
  // A row of padding alone would divide by its length, so the last text fills up.
  const filled = Array.from({ length: rows }, (_, row) => texts[Math.min(row, texts.length - 1)] ?? []);
  const tensorOf = (input: string): Tensor => {
    if (graph.layout === 'padded-ids') {
      const data = new Int32Array(rows * length);
      filled.forEach((ids, row) => {
        data.set(ids, row * length);
      });
      return new Tensor('int32', data, [rows, length]);
    }
    const pad = input === 'input_ids' ? graph.padTokenId : 0;
    if (graph.int32Inputs.has(input)) {
      const data = new Int32Array(rows * length).fill(pad);
      fillRows(data, 1, filled, length, input);
      return new Tensor('int32', data, [rows, length]);
    }
    const data = new BigInt64Array(rows * length);
    if (pad !== 0) data.fill(BigInt(pad));
    // The low halves of little-endian int64 numbers: eight times as fast as a BigInt a number, and ids need no more.
    fillRows(new Int32Array(data.buffer), 2, filled, length, input);
    return new Tensor('int64', data, [rows, length]);
  };
  return Object.fromEntries(graph.inputs.map((input) => [input, tensorOf(input)]));
}

function packedFeeds(texts: readonly (readonly number[])[]): Record<string, Tensor> {
  const lengths = Int32Array.from(texts, ({ length }) => length);
  const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const text of texts) {
    ids.set(text, at);
    at += text.length;
  }
  return {
    input_ids: new Tensor('int32', ids, [ids.length]),
    lengths: new Tensor('int32', lengths, [lengths.length]),
  };
}

/** The smallest bucket that holds `size`. */
function bucketOf(buckets: readonly number[] | undefined, size: number): number {
  return buckets?.find((bucket) => bucket >= size) ?? size;
}

/** Writes each text's numbers at every `step`-th place of its row. */
function fillRows(
  data: Int32Array,
  step: number,
  texts: readonly (readonly number[])[],
  length: number,
  input: string,
): void {
  if (input === 'token_type_ids') return;
  texts.forEach((ids, row) => {
    let at = row * length * step;
    for (let position = 0; position < ids.length; position++, at += step)
      data[at] = input === 'attention_mask' ? 1 : input === 'position_ids' ? position : (ids[position] ?? 0);
  });
}
