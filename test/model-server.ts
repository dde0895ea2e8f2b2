import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { asEmbedding } from './conformance/embedder.js';
import { createFakeEmbedder } from './fake-embedder.js';

/** A request that a model server got. */
export interface ServedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** The connection that it came by, numbered from 0. */
  readonly connection: number;
}

export interface ServedAnswer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** What a server does instead of answering: nothing at all, a reset, half an answer, or another answer. */
export type Fault = 'hang' | 'reset' | 'cut' | ServedAnswer;

export interface ModelServerOptions {
  /** Answers a request in the server's protocol. */
  readonly answer: (request: ServedRequest) => Promise<ServedAnswer>;
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** A server for tests that can be told to fail. */
export interface ModelServer {
  readonly url: string;
  /** Every request, oldest first. */
  readonly requests: ServedRequest[];
  /** Asked before each answer; a fault goes in its place. */
  fault: (request: ServedRequest) => Fault | undefined;
  connections(): number;
  /** Stops listening and cuts every connection. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  start(tls?: ModelServerOptions['tls']): Promise<void>;
}

/** Starts a server on a free port of this machine. */
export async function startModelServer({ answer, tls }: ModelServerOptions): Promise<ModelServer> {
  const sockets = new Map<Socket, number>();
  const requests: ServedRequest[] = [];
  let connections = 0;
  let port = 0;
  let stopListening: (() => Promise<void>) | undefined;

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const request: ServedRequest = {
      method: message.method ?? '',
      path: message.url ?? '',
      headers: message.headers,
      body: Buffer.concat(chunks),
      connection: sockets.get(message.socket) ?? -1,
    };
    requests.push(request);
    const fault = server.fault(request);
    if (fault === 'hang') return;
    if (fault === 'reset') return void message.socket.resetAndDestroy();
    const {
      status = 200,
      headers = {},
      body = '',
    } = typeof fault === 'object' ? fault : await answer(request);
    if (fault === 'cut') {
      response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
      response.write(Buffer.from(body).subarray(0, 10), () => message.socket.destroy());
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  }

  async function start(tlsOptions = tls): Promise<void> {
    const listener = (message: IncomingMessage, response: ServerResponse): void => {
      serve(message, response).catch((error: unknown) => response.destroy(error as Error));
    };
    const http = tlsOptions ? createTlsServer(tlsOptions, listener) : createServer(listener);
    http.on(tlsOptions ? 'secureConnection' : 'connection', (socket: Socket) => {
      sockets.set(socket, connections++);
      socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    });
    http.listen(port, '127.0.0.1');
    await once(http, 'listening');
    ({ port } = http.address() as AddressInfo);
    stopListening = async () => {
      const closed = once(http, 'close');
      http.close();
      for (const socket of sockets.keys()) socket.destroy();
      await closed;
    };
  }

  await start();
  const server: ModelServer = {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${String(port)}`,
    requests,
    fault: () => undefined,
    connections: () => connections,
    start,
    stop: async () => {
      await stopListening?.();
      stopListening = undefined;
    },
  };
  return server;
}

/** Dimension and limit of the model behind the test servers. */
export const SERVED = { dimension: 16, maxTokens: 32 };

/** What a text embeds to: not of norm 1, as few servers normalise. Texts that begin with `!NUMBER` throw that status. */
export async function servedEmbedding(
  text: string,
): Promise<{ vector: number[]; tokens: number; truncated: boolean }> {
  const status = /^!(\d{3})/.exec(text)?.[1];
  if (status !== undefined) throw new RefusedText(Number(status));
  const scale = text.startsWith('!zero') ? 0 : text.startsWith('!nan') ? NaN : 3;
  const [outcome] = await createFakeEmbedder(SERVED).embed([text], { purpose: 'document' });
  const { vector, tokens, truncated } = asEmbedding(outcome);
  return { vector: Array.from(vector, (value) => value * scale), tokens, truncated };
}

/** A text that the served model refuses. */
export class RefusedText extends Error {
  constructor(readonly status: number) {
    super('the model refuses the text');
  }
}

/** The embeddings of texts, or the answer of a server that refuses the whole batch because of one. */
export async function servedBatch(
  texts: readonly string[],
  refuse: (error: RefusedText) => ServedAnswer,
  answer: (embeddings: Awaited<ReturnType<typeof servedEmbedding>>[]) => ServedAnswer,
): Promise<ServedAnswer> {
  try {
    return answer(await Promise.all(texts.map(servedEmbedding)));
  } catch (error) {
    if (error instanceof RefusedText) return refuse(error);
    throw error;
  }
}
