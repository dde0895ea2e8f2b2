import { type KindredError, badInput } from '../../errors.js';
import { type ImageFormat, type ImageLimits, tooLarge, unsupported } from './limits.js';

/** `data:image/png;base64,`, in any case. */
const DATA_URL = /^data:([^,;]{0,64});base64,/i;
const TYPES: Readonly<Record<string, ImageFormat>> = {
  'image/jpeg': 'jpeg',
  'image/png': 'png',
  'image/webp': 'webp',
};

/** The bytes that base64 stood for. */
export interface DecodedBase64 {
  readonly bytes: Buffer;
  /** What a `data:` URL says that they are. */
  readonly declared?: ImageFormat;
}

/**
 * Decodes base64 (RFC 4648 section 4: padded, without white space), or a `data:` URL of an image. Returns the error of what is too
 * large, which is known before it is decoded; of another media type; or of what is not base64.
 */
export function decodeBase64(text: string, limits: ImageLimits): DecodedBase64 | KindredError {
  const type = text.startsWith('data:') ? DATA_URL.exec(text) : undefined;
  if (type === null) return badBase64();
  const declared = type ? TYPES[type[1]?.toLowerCase() ?? ''] : undefined;
  if (type && !declared) return unsupported();
  const start = type ? type[0].length : 0;
  if (text.length - start > Math.ceil(limits.maxBytes / 3) * 4) return tooLarge(limits);
  const encoded = start === 0 ? text : text.slice(start);
  const bytes = Buffer.from(encoded, 'base64');
  // Node reads over what is not base64, and also reads the URL-safe alphabet: only what comes out the same was right.
  if (bytes.length === 0 || bytes.toString('base64') !== encoded) return badBase64();
  return { bytes, declared };
}

function badBase64(): KindredError {
  return badInput('expected base64 with padding and without white space', 'BAD_IMAGE');
}
