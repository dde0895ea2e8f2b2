import { type KindredError } from '../../errors.js';
import { type ImageFormat, type ImageLimits, damaged, tooLarge, unsupported } from './limits.js';

/** What an image's header says. */
export interface ImageHeader {
  readonly format: ImageFormat;
  readonly width: number;
  readonly height: number;
}

/**
 * Reads format and size from the first bytes, without decoding: a few kilobytes of PNG can stand for gigabytes of pixels. Returns
 * UNSUPPORTED_IMAGE for other formats, whatever anybody says that they are, BAD_IMAGE for a header without a size, and
 * IMAGE_TOO_LARGE.
 */
export function inspectImage(image: Uint8Array, limits: ImageLimits): ImageHeader | KindredError {
  if (image.length > limits.maxBytes) return tooLarge(limits);
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  const format = formatOf(bytes);
  if (!format) return unsupported();
  const size = SIZES[format](bytes);
  if (!size || size.width === 0 || size.height === 0) return damaged();
  if (size.width * size.height > limits.maxPixels) return tooLarge(limits);
  return { format, ...size };
}

type Size = Pick<ImageHeader, 'width' | 'height'>;

const SIZES: Readonly<Record<ImageFormat, (bytes: Buffer) => Size | undefined>> = {
  jpeg: jpegSize,
  png: pngSize,
  webp: webpSize,
};

function formatOf(bytes: Buffer): ImageFormat | undefined {
  if (bytes.length >= 3 && bytes.readUIntBE(0, 3) === 0xffd8ff) return 'jpeg';
  if (bytes.length >= 8 && bytes.readBigUInt64BE(0) === 0x89504e470d0a1a0an) return 'png';
  if (tagAt(bytes, 0) === 'RIFF' && tagAt(bytes, 8) === 'WEBP') return 'webp';
  return undefined;
}

/** IHDR has to come first (PNG specification, 5.6). */
function pngSize(bytes: Buffer): Size | undefined {
  if (bytes.length < 24 || tagAt(bytes, 12) !== 'IHDR') return undefined;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

/** Walks the segments up to the frame header, SOF0 to SOF15 (ITU-T T.81, B.2.2). */
function jpegSize(bytes: Buffer): Size | undefined {
  for (let at = 2; at + 9 <= bytes.length;) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1; // fill byte
    } else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2; // without a length
    } else if (isFrame(marker)) {
      return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    } else if (marker === 0xd9 || marker === 0xda) {
      return undefined; // pixels, or the end, before any frame header
    } else {
      at += 2 + Math.max(2, bytes.readUInt16BE(at + 2));
    }
  }
  return undefined;
}

/** DHT, JPG and DAC lie among the numbers of the frame headers. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** The first chunk tells: lossy, lossless, or extended (the canvas, on which animations are drawn); RFC 9649. */
function webpSize(bytes: Buffer): Size | undefined {
  const tag = tagAt(bytes, 12);
  if (bytes.length < (tag === 'VP8L' ? 25 : 30)) return undefined;
  switch (tag) {
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

function tagAt(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, at + 4);
}
