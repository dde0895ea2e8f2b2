import { webcrypto } from 'node:crypto';
import { KindredError } from '../../errors.js';
import { decodeBase64 } from './base64.js';
import type { FetchImage } from './fetch.js';
import { inspectImage } from './inspect.js';
import { type ImageLimits, unsupported } from './limits.js';

/** An image as clients give it: exactly one of these. */
export interface ImageInput {
  readonly base64?: string | null;
  readonly url?: string | null;
}

/** An encoded image whose format and size have been checked; its pixels have not been looked at. */
export interface ImageSource {
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, base64url. */
  readonly digest: string;
}

/** Turns what clients give into images. */
export interface ImageReader {
  /** Reads, or fetches, and checks; the error is that of this image alone. Rejects only when `signal` is aborted. */
  read(input: ImageInput, signal?: AbortSignal): Promise<ImageSource | KindredError>;
}

export interface ImageReaderOptions {
  readonly limits: ImageLimits & { readonly enabled: boolean };
  /** Without one, URLs are refused. */
  readonly fetch?: FetchImage;
}

/** Makes the reader of a server: images and URLs are FEATURE_UNSUPPORTED unless they are switched on. */
export function createImageReader({ limits, fetch }: ImageReaderOptions): ImageReader {
  const check = async (bytes: Uint8Array, declared?: string): Promise<ImageSource | KindredError> => {
    const header = inspectImage(bytes, limits);
    if (header instanceof KindredError) return header;
    if (declared !== undefined && declared !== header.format) return unsupported();
    return { bytes, digest: await digestOf(bytes) };
  };
  return {
    read: async ({ base64, url }, signal) => {
      if (!limits.enabled) return off('images');
      if (typeof base64 === 'string') {
        const decoded = decodeBase64(base64, limits);
        return decoded instanceof KindredError ? decoded : check(decoded.bytes, decoded.declared);
      }
      if (!fetch) return off('images by URL');
      const fetched = await fetch(url ?? '', signal);
      return fetched instanceof KindredError ? fetched : check(fetched);
    },
  };
}

/** Hashed by the thread pool: it takes milliseconds for megabytes. */
async function digestOf(bytes: Uint8Array): Promise<string> {
  const digest = await webcrypto.subtle.digest('SHA-256', bytes);
  return Buffer.from(digest).toString('base64url');
}

function off(what: string): KindredError {
  return new KindredError('FEATURE_UNSUPPORTED', `${what} are switched off on this server`);
}
