import { z } from 'zod';
import { type ImageManifest, imageSchema } from './image-manifest.js';

const FLOAT_BYTES = 4;

/** What a version, and so its folder, may be called. */
export const MODEL_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const fileSchema = z.strictObject({
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits'),
  bytes: z.int().min(1),
});

const ascending = z
  .array(z.int().min(1))
  .min(1)
  .refine((sizes) => sizes.every((size, at) => size > (sizes[at - 1] ?? 0)), 'expected ascending numbers');

/**
 * The same model as another file, for one execution provider. Its vectors are comparable with the reference's (cosine >= 0.9999), so it is
 * no part of the digest.
 */
const variantSchema = fileSchema.extend({
  model: z.string().min(1),
  /**
   * `padded-ids-int32`: one int32 `input_ids` `[batch, length]` in which 0 is padding. `packed-ids-int32`: int32 `input_ids` `[tokens]`, text
   * after text, and `lengths` `[batch]`. `output` is the reference's.
   */
  inputs: z.enum(['padded-ids-int32', 'packed-ids-int32']),
  /** Shapes to pad runs to and to run once at load, for a graph that is slow on a shape's first run; packed runs have none. */
  buckets: z.strictObject({ lengths: ascending, texts: ascending }).optional(),
});

/** What every kind of model has. */
const common = {
  id: z.string().regex(MODEL_ID, 'expected letters, digits, ".", "_" and "-"'),
  name: z.string().min(1),
  description: z.string(),
  dimension: z.int().min(1).max(32_768),
  prompts: z.strictObject({ query: z.string(), document: z.string() }),
  files: z.record(z.string().min(1), fileSchema),
  similarity: z.literal('cosine'),
  licence: z.string().min(1),
  source: z.string(),
  probe: z.strictObject({
    text: z.string().min(1),
    purpose: z.enum(['query', 'document']),
    vector: z.base64(),
  }),
};

/** The inputs that Kindred can fill. */
export const INPUTS = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'] as const;

/** How token vectors become one. */
const POOLINGS = ['mean', 'cls', 'last'] as const;

/** A text encoder: an ONNX graph behind a tokenizer. */
const textSchema = z.strictObject({
  /** Absent in bundles older than the other kinds. */
  kind: z.literal('text').optional(),
  ...common,
  maxTokens: z.int().min(3).max(32_768),
  /** Numbers that the graph gives a text or a token, where vectors are cut to fewer; default: `dimension`. */
  outputDimension: z.int().min(1).max(32_768).optional(),
  /** Shorter vectors that the model was trained for (Matryoshka): the first so many numbers, normalised again. */
  matryoshka: z.array(z.int().min(1)).min(1).optional(),
  pooling: z.enum(POOLINGS),
  /** Whether vectors leave the graph with norm 1; the worker normalises those that don't. */
  normalize: z.boolean(),
  /** Whether the output is `[batch, dimension]`; false: `[batch, length, dimension]`, pooled by the worker. */
  poolingInGraph: z.boolean(),
  inputs: z.array(z.enum(INPUTS)).min(1),
  /** What `input_ids` are padded with; default 0. */
  padTokenId: z.int().min(0).optional(),
  output: z.string().min(1),
  tokenizer: z.string().min(1),
  model: z.string().min(1),
  /** Files for other execution providers, by the provider's name. */
  variants: z.record(z.string().min(1), variantSchema).optional(),
  /** The graph of a dual encoder that gives images vectors in the same space. */
  image: imageSchema.optional(),
});

/** A table of word vectors, averaged with the weights of smooth inverse frequency (SIF). */
const wordVectorsSchema = z.strictObject({
  kind: z.literal('word-vectors'),
  ...common,
  /** Words of a text that are read at most. */
  maxTokens: z.int().min(1).max(32_768),
  /** Words in UTF-8, one a line, in the order of the rows. */
  vocabulary: z.string().min(1),
  /** The rows, `[words, dimension]`: little-endian float32 or int8. */
  table: z.string().min(1),
  storage: z.enum(['float32', 'int8']),
  /** What each row is multiplied with, float32: its SIF weight, times the scale of int8 rows. */
  weights: z.string().min(1),
  /** Whether the vocabulary knows lower case only. */
  lowerCase: z.boolean(),
  /** Words that an entry such as `new_york` joins at most; 1: no such entries. */
  phrases: z.int().min(1).max(8),
  /** The direction that is taken out of every vector, `[dimension]` of norm 1, float32 in base64. */
  component: z.base64().optional(),
});

/** An image encoder that reads no texts. */
const imageOnlySchema = z.strictObject({
  kind: z.literal('image'),
  ...common,
  prompts: common.prompts.prefault({ query: '', document: '' }),
  probe: z.undefined().optional(),
  maxTokens: z.literal(0).default(0),
  image: imageSchema,
});

export type TextManifest = z.infer<typeof textSchema>;
export type WordVectorsManifest = z.infer<typeof wordVectorsSchema>;
export type ImageOnlyManifest = z.infer<typeof imageOnlySchema>;

/** model.json, as a bundle's author writes it. */
export type Manifest = TextManifest | WordVectorsManifest | ImageOnlyManifest;

/** Parses model.json and checks what its fields demand of one another. */
export const manifestSchema = z
  .discriminatedUnion('kind', [textSchema, wordVectorsSchema, imageOnlySchema])
  .superRefine((manifest, context) => {
    const fault = (path: (string | number)[], message: string): void => {
      context.addIssue({ code: 'custom', path, message });
    };
    for (const [key, file] of Object.entries(namedFiles(manifest))) {
      if (!(file in manifest.files)) fault([key], 'expected a file that `files` lists');
    }
    for (const [path, base64] of vectorsOf(manifest)) {
      const bytes = Buffer.byteLength(base64, 'base64');
      const expected = manifest.dimension * FLOAT_BYTES;
      if (bytes !== expected)
        fault(
          path,
          `expected ${String(manifest.dimension)} float32 numbers (${String(expected)} bytes), but got ${String(bytes)} bytes`,
        );
    }
    if (isText(manifest)) for (const [path, message] of textFaults(manifest)) fault([path], message);
  });

/** Whether the model is a table of word vectors. */
export function isWordVectors(manifest: Manifest): manifest is WordVectorsManifest {
  return manifest.kind === 'word-vectors';
}

/** Whether the model reads no texts. */
export function isImageOnly(manifest: Manifest): manifest is ImageOnlyManifest {
  return manifest.kind === 'image';
}

/** Whether the model is a text encoder. */
export function isText(manifest: Manifest): manifest is TextManifest {
  return manifest.kind === undefined || manifest.kind === 'text';
}

/** The part about images of a model that reads them. */
export function imageOf(manifest: Manifest): ImageManifest | undefined {
  return isWordVectors(manifest) ? undefined : manifest.image;
}

/** The facts that change a vector, beside the digests of the files; new ones only where a model has them, so that digests stay. */
export function factsOf(manifest: Manifest): unknown[] {
  const { dimension, maxTokens, prompts, similarity } = manifest;
  const texts = [prompts.query, prompts.document];
  if (isWordVectors(manifest)) {
    const { kind, vocabulary, table, storage, weights, lowerCase, phrases, component } = manifest;
    const own = { kind, vocabulary, table, storage, weights, lowerCase, phrases, component };
    return [{ dimension, maxTokens, similarity, ...own }, texts];
  }
  if (isImageOnly(manifest)) return [{ dimension, similarity }, imageFacts(manifest.image)];
  const { pooling, normalize, poolingInGraph, output, model, tokenizer, inputs } = manifest;
  const { outputDimension = dimension, padTokenId = 0 } = manifest;
  const facts: unknown[] = [
    { dimension, maxTokens, pooling, normalize, poolingInGraph, output, model, tokenizer, similarity },
    texts,
    [...inputs].sort(),
  ];
  if (outputDimension !== dimension || padTokenId !== 0) facts.push({ outputDimension, padTokenId });
  if (manifest.image) facts.push(imageFacts(manifest.image));
  return facts;
}

/** All but the probe, which changes nothing, and the batch. */
function imageFacts(image: ImageManifest): unknown {
  return { ...image, probe: undefined, maxBatch: undefined };
}

function namedFiles(manifest: Manifest): Record<string, string> {
  if (isImageOnly(manifest)) return { 'image.model': manifest.image.model };
  if (isWordVectors(manifest)) {
    const { vocabulary, table, weights } = manifest;
    return { vocabulary, table, weights };
  }
  const { model, tokenizer, image } = manifest;
  return { model, tokenizer, ...(image && { 'image.model': image.model }) };
}

function vectorsOf(manifest: Manifest): [string[], string][] {
  const vectors: [string[], string][] = [];
  if (manifest.probe) vectors.push([['probe', 'vector'], manifest.probe.vector]);
  const image = imageOf(manifest);
  if (image) vectors.push([['image', 'probe', 'vector'], image.probe.vector]);
  if (isWordVectors(manifest) && manifest.component !== undefined)
    vectors.push([['component'], manifest.component]);
  return vectors;
}

function textFaults(manifest: TextManifest): [string, string][] {
  const { dimension, outputDimension = dimension, matryoshka = [], normalize, poolingInGraph } = manifest;
  const faults: [string, string][] = [];
  if (!manifest.inputs.includes('input_ids')) faults.push(['inputs', 'expected `input_ids` among them']);
  for (const [provider, { buckets, inputs }] of Object.entries(manifest.variants ?? {})) {
    if (buckets && inputs === 'packed-ids-int32')
      faults.push([`variants.${provider}.buckets`, 'expected none where texts are packed']);
    if (buckets && (buckets.lengths.at(-1) ?? 0) < manifest.maxTokens)
      faults.push([`variants.${provider}.buckets.lengths`, 'expected the last one to hold `maxTokens`']);
  }
  if (normalize && !poolingInGraph)
    faults.push(['normalize', 'expected false where the worker pools: it normalises what it pooled']);
  if (outputDimension < dimension)
    faults.push(['outputDimension', `expected at least the dimension, ${String(dimension)}`]);
  const longer = matryoshka.find((each) => each > dimension);
  if (longer !== undefined)
    faults.push([
      'matryoshka',
      `expected at most the dimension, ${String(dimension)}, got ${String(longer)}`,
    ]);
  return faults;
}
