import { type KindredError, badInput } from '../../errors.js';

/** What an image may be at most. */
export interface ImageLimits {
  /** As encoded. */
  readonly maxBytes: number;
  /** Width times height. */
  readonly maxPixels: number;
}

/** The formats that are decoded, known by their first bytes alone. */
export type ImageFormat = 'jpeg' | 'png' | 'webp';

/** The error of an image with too many bytes or pixels: IMAGE_TOO_LARGE. */
export function tooLarge({ maxBytes, maxPixels }: ImageLimits): KindredError {
  return badInput(
    `expected an image of at most ${String(maxBytes)} bytes and ${String(maxPixels)} pixels`,
    'IMAGE_TOO_LARGE',
  );
}

/** The error of bytes that are none of the formats: UNSUPPORTED_IMAGE. */
export function unsupported(): KindredError {
  return badInput('expected a JPEG, PNG or WebP image', 'UNSUPPORTED_IMAGE');
}

/** The error of an image that can't be decoded: BAD_IMAGE. */
export function damaged(): KindredError {
  return badInput('expected a whole image, but it could not be decoded', 'BAD_IMAGE');
}
