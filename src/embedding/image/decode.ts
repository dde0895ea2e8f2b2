import sharp, { type Sharp } from 'sharp';
import type { Preprocessing } from '../../models/image-manifest.js';

/** Red, green and blue. */
const CHANNELS = 3;
/** Time that decoding may take, in s: a progressive JPEG can repeat itself thousands of times. */
const DECODE_SECONDS = 5;

/** Why an image could not be decoded. */
export type DecodeFault = 'BAD_IMAGE' | 'IMAGE_TOO_LARGE';

/** Thrown for an image that can't be decoded. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  constructor(
    readonly fault: DecodeFault,
    cause: unknown,
  ) {
    super('the image could not be decoded', { cause });
  }
}

/** Turns encoded images into what a graph takes. Of an animation it is the first frame; metadata are read for the rotation alone. */
export interface Decoder {
  /** Writes the image to `into` from `offset` on, `3 x height x width` numbers. Rejects with DecodeError. */
  decode(bytes: Uint8Array, into: Float32Array, offset: number): Promise<void>;
}

/**
 * Makes a decoder. libvips opens JPEG, PNG and WebP from memory and nothing else: other loaders, which can read files and URLs
 * that an image names, are blocked for the whole process.
 */
export function createDecoder(preprocessing: Preprocessing, maxPixels: number): Decoder {
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({
    operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'],
  });
  // No image comes twice, and workers are the ones who share the cores.
  sharp.cache(false);
  sharp.concurrency(1);
  return {
    decode: async (bytes, into, offset) => {
      const image = sharp(bytes, {
        limitInputPixels: maxPixels,
        failOn: 'error',
        pages: 1,
        autoOrient: true,
      });
      const pixels = await toShape(image, preprocessing)
        .flatten({ background: preprocessing.background })
        .toColourspace('srgb')
        .removeAlpha()
        .timeout({ seconds: DECODE_SECONDS })
        .raw({ depth: 'uchar' })
        .toBuffer()
        .catch((error: unknown) => {
          throw new DecodeError(isLimit(error) ? 'IMAGE_TOO_LARGE' : 'BAD_IMAGE', error);
        });
      writeNumbers(pixels, preprocessing, into, offset);
    },
  };
}

function toShape(image: Sharp, preprocessing: Preprocessing): Sharp {
  const { width, height, resize, cropFraction, interpolation: kernel, background } = preprocessing;
  switch (resize) {
    case 'stretch':
      return image.resize(width, height, { fit: 'fill', kernel });
    case 'pad':
      return image.resize(width, height, { fit: 'contain', kernel, background });
    case 'crop': {
      const [outer, over] = [Math.round(width / cropFraction), Math.round(height / cropFraction)];
      return image.resize(outer, over, { fit: 'cover', kernel }).extract({
        left: Math.floor((outer - width) / 2),
        top: Math.floor((over - height) / 2),
        width,
        height,
      });
    }
  }
}

/** From bytes `[height, width, 3]` to numbers in the layout, order and scale of the graph. */
function writeNumbers(
  pixels: Buffer,
  preprocessing: Preprocessing,
  into: Float32Array,
  offset: number,
): void {
  const { width, height, mean, std, layout, colours } = preprocessing;
  const area = width * height;
  if (pixels.length !== area * CHANNELS)
    throw new DecodeError('BAD_IMAGE', new Error(`got ${String(pixels.length)} bytes of pixels`));
  for (let channel = 0; channel < CHANNELS; channel++) {
    const place = colours === 'RGB' ? channel : CHANNELS - 1 - channel;
    const [first, step] = layout === 'NCHW' ? [offset + place * area, 1] : [offset + place, CHANNELS];
    const factor = 1 / (255 * (std[channel] ?? 1));
    const shift = (mean[channel] ?? 0) / (std[channel] ?? 1);
    for (let at = 0; at < area; at++)
      into[first + at * step] = (pixels[at * CHANNELS + channel] ?? 0) * factor - shift;
  }
}

function isLimit(error: unknown): boolean {
  return error instanceof Error && error.message.includes('exceeds pixel limit');
}
