import { createServer, type RequestListener, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config } from '../config.js';

/** Bytes of a request's line and headers together, at most. */
const MAX_HEADER_BYTES = 16_384;
/** Longer than the idle time-outs of usual load balancers (60 s), so that they close first. */
const KEEP_ALIVE_MS = 72_000;

/** HTTP status of what node's parser refuses before there is a request; anything else is 400. */
const PARSER_STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Makes a node HTTP server with the limits of `config`: slow, oversized, malformed and too many connections are closed. */
export function createHttpServer(config: Config['server'], handler: RequestListener): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: Math.min(config.headersTimeoutMs, config.requestTimeoutMs),
      requestTimeout: config.requestTimeoutMs,
      connectionsCheckingInterval: Math.max(50, Math.min(1_000, config.headersTimeoutMs / 4)),
      keepAliveTimeout: KEEP_ALIVE_MS,
      insecureHTTPParser: false,
    },
    handler,
  );
  server.maxConnections = config.maxConnections;
  // Also ends clients that don't read their answer: nothing moved for as long as a request and its answer may take.
  server.timeout = config.requestTimeoutMs + config.deadlineMs;
  return server;
}

/** Answers what node's HTTP parser refused, and closes the connection. */
export function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = PARSER_STATUS[error.code ?? ''] ?? '400 Bad Request';
  const body = JSON.stringify({
    errors: [
      { message: status.slice(4), extensions: { code: 'BAD_REQUEST', requestId: crypto.randomUUID() } },
    ],
  });
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`;
  socket.end(head + body, () => socket.destroy());
}
