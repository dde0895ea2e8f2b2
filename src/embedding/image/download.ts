import type { Socket } from 'node:net';
import { Agent, type Dispatcher, buildConnector, request } from 'undici';
import { hostOf } from './url.js';

/** Where a connection goes. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** How connections are made. */
export interface DialOptions {
  /** Time that connecting may take, in ms: a socket that nobody waits for any more is closed after it. */
  readonly connectMs: number;
  /** Certificate authorities to trust instead of the well-known ones, PEM. */
  readonly ca?: string;
  /** For tests: the address that is dialled instead of a checked one. */
  readonly route?: (checked: Endpoint) => Endpoint;
}

/** What a hop came to. */
export type Hop =
  | { readonly kind: 'body'; readonly bytes: Uint8Array }
  | { readonly kind: 'redirect'; readonly location: string };

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** The host sees no cookie, referrer or anything else of the client; and nothing may come compressed, as a bomb would. */
const HEADERS = { accept: 'image/jpeg, image/png, image/webp', 'accept-encoding': 'identity' };

/**
 * Gets `url` from the host at `address`, following nothing. The connection is used once and goes to that address, whatever the name
 * may resolve to by now. Throws for an answer that is neither a redirect nor a plain body of 1 to `maxBytes` bytes.
 */
export async function download(
  url: URL,
  address: string,
  { maxBytes, signal, ...dial }: { maxBytes: number; signal: AbortSignal } & DialOptions,
): Promise<Hop> {
  const agent = new Agent({ connect: connectTo(url, address, dial), connections: 1, pipelining: 0 });
  try {
    return await readHop(await request(url, { dispatcher: agent, headers: HEADERS, signal }), maxBytes);
  } finally {
    // Also ends a body that was not read to its end.
    void agent.destroy().catch(() => undefined);
  }
}

async function readHop(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  maxBytes: number,
): Promise<Hop> {
  // It fails with the agent, when nobody listens any more.
  body.on('error', () => undefined);
  const { location, 'content-encoding': encoding, 'content-length': length } = headers;
  if (REDIRECTS.has(statusCode) && typeof location === 'string') return { kind: 'redirect', location };
  if (statusCode !== 200) throw new Error(`expected status 200, but got ${String(statusCode)}`);
  if (encoding !== undefined && encoding !== 'identity') throw new Error('expected a body without encoding');
  if (Number(length ?? 0) > maxBytes) throw new Error('expected a smaller body');

  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Error('expected a smaller body');
    chunks.push(chunk);
  }
  if (size === 0) throw new Error('expected a body');
  return { kind: 'body', bytes: Buffer.concat(chunks, size) };
}

/** Connects to `address` under the name of the URL, and checks where the connection has gone. */
function connectTo(
  url: URL,
  address: string,
  { connectMs, ca, route = (checked) => checked }: DialOptions,
): buildConnector.connector {
  const connector = buildConnector({ ca, timeout: connectMs, allowH2: false, maxCachedSessions: 0 });
  return (options, done) => {
    const target = route({ address, port: Number(url.port || 443) });
    connector(
      { ...options, hostname: target.address, port: String(target.port), servername: servernameOf(url) },
      (...result) => {
        const socket: Socket | null = result[1];
        if (socket && socket.remoteAddress !== target.address) {
          socket.destroy();
          done(new Error('expected a connection to the checked address'), null);
        } else done(...result);
      },
    );
  };
}

/** TLS has no names that are addresses; certificates for addresses are checked all the same. */
function servernameOf(url: URL): string {
  return hostOf(url) === url.hostname ? url.hostname.replace(/\.$/, '') : '';
}
