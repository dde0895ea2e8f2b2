import { type Dispatcher, Pool, errors } from 'undici';
import type { Remote } from '../../models/remote.js';
import { RemoteFault, type RemoteFaultKind } from './fault.js';
import type { RemoteAnswer, RemoteProtocol, RemoteRequest } from './protocol.js';

/** Bytes of a refusal that are looked at. */
const REFUSAL_BYTES = 65_536;

/** Time that an idle connection is kept where the server says nothing about it, in ms. */
const KEEP_ALIVE_MS = 30_000;

/** Errors of a certificate: trying again gives the same. Node's other TLS errors may be a server that restarts. */
const CERTIFICATE = /^(CERT_|ERR_TLS_CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_|UNABLE_TO_(GET|VERIFY))/;

/** One server's connections. */
export interface Transport {
  /** Sends `request` once, for `timeoutMs` at most, a whole number. Throws RemoteFault unless the answer is a success that fits the limit. */
  send(request: RemoteRequest, signal: AbortSignal, timeoutMs: number): Promise<RemoteAnswer>;
  close(): Promise<void>;
}

/** Makes the connections to a server: kept alive, one request at a time each, `concurrency` of them at most. */
export function createTransport(
  { manifest, headers, ca }: Remote,
  tooLong: RemoteProtocol['tooLong'] = () => false,
): Transport {
  const { url, concurrency, timeouts, limits } = manifest;
  const base = new URL(url);
  const root = base.pathname.replace(/\/+$/, '');
  const pool = new Pool(base.origin, {
    connections: concurrency,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // `send` has one clock for all of a try.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: limits.responseBytes,
    connect: { timeout: timeouts.connectMs, ca },
  });

  async function attempt(
    { method, path, headers: own, body }: RemoteRequest,
    signal: AbortSignal,
  ): Promise<RemoteAnswer> {
    const answer = await pool.request({
      method,
      path: root + path,
      headers: { accept: 'application/json, application/octet-stream', ...headers, ...own },
      body,
      signal,
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    if (answer.statusCode < 200 || answer.statusCode > 299) throw refusal(answer, bytes, tooLong);
    return { headers: answer.headers, body: bytes };
  }

  return {
    send: async (request, signal, timeoutMs) => {
      const late = AbortSignal.timeout(timeoutMs);
      try {
        return await attempt(request, AbortSignal.any([signal, late]));
      } catch (error) {
        if (error instanceof RemoteFault) throw error;
        if (signal.aborted) throw new RemoteFault('cancelled', 'the request was cancelled', { cause: error });
        if (late.aborted)
          throw new RemoteFault('unreachable', `no answer within ${String(timeoutMs)} ms`, {
            cause: error,
          });
        throw connectionFault(error);
      }
    },
    close: () => pool.destroy(),
  };
}

/** The fault that a status means. */
function refusal(
  { statusCode, headers }: Dispatcher.ResponseData,
  bytes: Buffer,
  tooLong: (body: string) => boolean,
): RemoteFault {
  const kind = kindOf(statusCode);
  return new RemoteFault(kind, `the server answered ${String(statusCode)}`, {
    status: statusCode,
    retryAfterMs: retryAfterMs(headers['retry-after']),
    tooLong:
      statusCode === 413 ||
      (statusCode < 500 && kind === 'refused' && tooLong(bytes.toString('utf8', 0, REFUSAL_BYTES))),
  });
}

function kindOf(status: number): RemoteFaultKind {
  switch (status) {
    case 429:
      return 'busy';
    case 408:
    case 502:
    case 503:
    case 504:
      return 'unreachable';
    case 400:
    case 413:
    case 422:
      return 'refused';
    default:
      return status >= 500 ? 'refused' : 'misconfigured';
  }
}

/** `Retry-After` in ms: seconds, or a date (RFC 9110, 10.2.3). */
export function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const value = Array.isArray(header) ? header[0] : header;
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function connectionFault(error: unknown): RemoteFault {
  if (error instanceof errors.ResponseExceededMaxSizeError)
    return new RemoteFault('refused', 'the answer was larger than limits.responseBytes', { cause: error });
  const code = codeOf(error);
  const kind = CERTIFICATE.test(code) ? 'misconfigured' : 'unreachable';
  return new RemoteFault(kind, `no connection (${code})`, { cause: error });
}

/** The innermost code, e.g. ECONNREFUSED: messages may hold addresses, codes don't. */
function codeOf(error: unknown): string {
  let code = 'unknown';
  let inner: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  for (let depth = 0; depth < 4 && inner instanceof Error; depth++) {
    if ('code' in inner && typeof inner.code === 'string') code = inner.code;
    inner = inner.cause;
  }
  return code;
}
