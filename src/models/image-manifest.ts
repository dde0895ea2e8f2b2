import { z } from 'zod';

/** The part of model.json about images: a graph, and what is done to an image before it goes in. */
export const imageSchema = z.strictObject({
  model: z.string().min(1),
  /** float32, `[batch, 3, height, width]` (NCHW) or `[batch, height, width, 3]` (NHWC). */
  input: z.string().min(1),
  /** float32, `[batch, dimension]`. */
  output: z.string().min(1),
  width: z.int().min(1).max(4_096),
  height: z.int().min(1).max(4_096),
  /** `crop` keeps the shape and cuts off what stands over, `pad` keeps all of it, `stretch` keeps all but the shape. */
  resize: z.enum(['crop', 'pad', 'stretch']).default('crop'),
  /** The share of the shorter side that `crop` keeps: 224 of 256 pixels is 0.875. */
  cropFraction: z.number().gt(0).max(1).default(1),
  interpolation: z.enum(['nearest', 'linear', 'cubic', 'lanczos3']).default('cubic'),
  /** What lies behind transparent pixels and around padded images. */
  background: z
    .string()
    .regex(/^#[0-9a-f]{6}$/i, 'expected a colour such as #ffffff')
    .default('#ffffff'),
  /** A channel goes in as `(value / 255 - mean) / std`, red, green and blue. */
  mean: z.tuple([z.number(), z.number(), z.number()]),
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
  layout: z.enum(['NCHW', 'NHWC']).default('NCHW'),
  colours: z.enum(['RGB', 'BGR']).default('RGB'),
  /** Images in one session run at most; 1 for a graph whose batch is fixed. */
  maxBatch: z.int().min(1).max(256).default(8),
  /** Whether vectors leave the graph with norm 1; the worker normalises those that don't. */
  normalize: z.boolean(),
  probe: z.strictObject({
    /** A small image in base64. */
    image: z.base64().min(1),
    /** What it must embed to, `[dimension]` of norm 1, little-endian float32 in base64. */
    vector: z.base64(),
  }),
});

export type ImageManifest = z.infer<typeof imageSchema>;

/** How images are brought into the shape that a graph takes. */
export type Preprocessing = Pick<
  ImageManifest,
  | 'width'
  | 'height'
  | 'resize'
  | 'cropFraction'
  | 'interpolation'
  | 'background'
  | 'mean'
  | 'std'
  | 'layout'
  | 'colours'
>;
