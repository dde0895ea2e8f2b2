import { type IPolicy, BulkheadRejectedError, bulkhead } from 'cockatiel';
import { type KindredError, badInput, overloaded, throwIfAborted } from '../../errors.js';
import { SPAN, type Telemetry, withSpan } from '../../telemetry.js';
import { isPublicAddress } from './address.js';
import { type DialOptions, download } from './download.js';
import { type Resolve, resolveByDns } from './resolve.js';
import { createUrlPolicy, hostOf } from './url.js';

/** Redirects that are followed. */
const MOST_REDIRECTS = 3;
/** Fetches that may wait for each one that runs. */
const WAITERS = 8;

/**
 * Gets the bytes of an image by URL. The error is BAD_URL with one and the same message whatever went wrong, so that nobody can learn by
 * it what this server reaches; or OVERLOADED. Rejects only when `signal` is aborted.
 */
export type FetchImage = (url: string, signal?: AbortSignal) => Promise<Uint8Array | KindredError>;

export interface FetchOptions extends Omit<DialOptions, 'connectMs'> {
  /** `*.suffix` or whole names; empty for every host with public addresses. */
  readonly allowedHosts: readonly string[];
  /** Time for all of it, redirects included, in ms. */
  readonly timeoutMs: number;
  /** Fetches that run at once. */
  readonly concurrency: number;
  readonly maxBytes: number;
  readonly telemetry: Telemetry;
  /** Default: the name servers of this machine. */
  readonly resolve?: Resolve;
}

/** Makes a fetcher that reaches public hosts only, by https: every name is resolved once, and only an address that was checked is dialled. */
export function createImageFetch(options: FetchOptions): FetchImage {
  const { resolve = resolveByDns, timeoutMs, telemetry } = options;
  const policy = createUrlPolicy(options.allowedHosts);
  const slots: IPolicy = bulkhead(options.concurrency, options.concurrency * WAITERS);

  /** Throws when any address is not public: the name belongs to somebody who wants to be let inside. */
  async function checkedAddress(url: URL, signal: AbortSignal): Promise<string> {
    const addresses = await race(resolve(hostOf(url), signal), signal);
    const [first] = addresses;
    if (first === undefined || !addresses.every(isPublicAddress))
      throw new Error('expected public addresses');
    return first;
  }

  async function follow(text: string, signal: AbortSignal): Promise<Uint8Array> {
    let url = policy(text);
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      if (!url) throw new Error('expected an allowed https URL');
      const address = await checkedAddress(url, signal);
      const hop = await download(url, address, { ...options, connectMs: timeoutMs, signal });
      if (hop.kind === 'body') return hop.bytes;
      url = policy(hop.location, url);
    }
    throw new Error('expected fewer redirects');
  }

  return async (text, signal) => {
    throwIfAborted(signal);
    if (!policy(text)) return badUrl();
    try {
      return await slots.execute(() => {
        const limit = AbortSignal.timeout(timeoutMs);
        const both = signal ? AbortSignal.any([signal, limit]) : limit;
        return withSpan(telemetry, SPAN.imageFetch, {}, async (span) => {
          try {
            return await follow(text, both);
          } catch (error) {
            span.setAttribute('kindred.fetch.fault', faultOf(error));
            throw badUrl();
          }
        });
      });
    } catch (error) {
      throwIfAborted(signal);
      if (error instanceof BulkheadRejectedError)
        return overloaded('too many images wait to be fetched', timeoutMs);
      return badUrl();
    }
  };
}

/** Rejects as soon as `signal` is aborted, whether `work` heeds it or not. */
async function race<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What went wrong, for operators, without the URL. */
function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

function badUrl(): KindredError {
  return badInput('expected the https URL of an image that a public, allowed host sends in time', 'BAD_URL');
}
