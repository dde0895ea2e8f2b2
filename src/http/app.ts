import type { RequestListener, Server } from 'node:http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import { ERROR_TABLE } from '../errors.js';
import { addJsonParser } from './json-body.js';
import { createHttpServer, refuseMalformed } from './listener.js';
import type { Observation } from './observe.js';
import type { Holding } from './holding.js';
import { isOpenAiUrl, openAiErrorBody, openAiStatus } from './openai-error.js';
import type { ErrorEdge } from './public-error.js';
import { isRequestFault, requestFault } from './request-fault.js';
import { requestId } from './request-id.js';
import { failureHead } from './response-status.js';

/** Headers of a request at most; node drops further ones without a word, so they are counted before it does. */
const MAX_HEADERS = 100;

const MESSAGES: Readonly<Record<number, string>> = {
  413: 'The body is too large.',
  415: 'The body has to be application/json, as UTF-8, and not compressed.',
};

export interface AppOptions {
  readonly config: Config['server'];
  readonly errors: ErrorEdge;
  readonly log: Logger;
  readonly observe: (request: FastifyRequest, reply: FastifyReply) => Observation;
  /** Whether connections should end with the answer that is being sent. */
  readonly closing: () => boolean;
  readonly holding: Pick<Holding, 'refuse'>;
  /** Goes before everything else, see shedBefore. */
  readonly before: (handler: RequestListener) => RequestListener;
}

/** The HTTP application with its limits, and every node server it listens with (two for `localhost`). */
export interface App {
  readonly app: FastifyInstance;
  readonly servers: readonly Server[];
  readonly observation: (request: FastifyRequest) => Observation;
}

/** Makes the Fastify application: limits before any route, one shape of error, one log line a request. */
export function createApp({ config, errors, log, observe, closing, holding, before }: AppOptions): App {
  const servers: Server[] = [];
  const observations = new WeakMap<FastifyRequest, Observation>();
  const app = fastify({
    logger: false,
    bodyLimit: config.bodyLimitBytes,
    trustProxy: config.trustProxy,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: ({ headers }) => requestId(headers['x-request-id']),
    clientErrorHandler: refuseMalformed,
    frameworkErrors: (error, request, reply) => {
      // They come before any hook.
      mark(request, reply);
      fail(request, reply, error);
    },
    serverFactory(handler) {
      const server = createHttpServer(config, before(handler));
      servers.push(server);
      return server;
    },
  });

  const fail = (request: FastifyRequest, reply: FastifyReply, error: unknown): void => {
    const fault = toFault(error);
    errors.report(fault, observations.get(request)?.log ?? log);
    const formatted = errors.format(fault, request.id);
    const head = failureHead(null, [formatted]);
    if (head?.retryAfter !== undefined) void reply.header('retry-after', head.retryAfter);
    const status = isRequestFault(fault) ? fault.statusCode : (head?.status ?? 500);
    if (!isOpenAiUrl(request.url)) return void reply.code(status).send({ errors: [formatted] });
    const openAi = openAiStatus(formatted, status);
    void reply.code(openAi).send(openAiErrorBody(fault, formatted, openAi));
  };

  addJsonParser(app);
  app.addHook('onRequest', (request, reply, done) => {
    observations.set(request, observe(request, reply));
    mark(request, reply);
    done(refusal(request));
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    const tell = (): void => {
      if (closing()) void reply.header('connection', 'close');
      done(null, payload);
    };
    if (reply.statusCode === ERROR_TABLE.OVERLOADED.status) holding.refuse(tell);
    else tell();
  });
  app.setErrorHandler((error, request, reply) => {
    fail(request, reply, error);
  });
  app.setNotFoundHandler((request, reply) => {
    fail(request, reply, requestFault(404, 'There is nothing here.'));
  });

  return {
    app,
    servers,
    observation(request) {
      const observation = observations.get(request);
      if (!observation) throw new Error('a request came past the onRequest hook');
      return observation;
    },
  };
}

/** The headers of every answer. */
function mark({ id }: FastifyRequest, reply: FastifyReply): void {
  void reply.header('x-request-id', id).header('x-content-type-options', 'nosniff');
}

/** Fastify's own errors about a request, with a message of ours; all others as they are. */
function toFault(error: unknown): unknown {
  if (isRequestFault(error) || !(error instanceof Error) || !('statusCode' in error)) return error;
  const status = Number(error.statusCode);
  return status >= 400 && status < 500
    ? requestFault(status, MESSAGES[status] ?? 'The request is malformed.')
    : error;
}

/** Why a request is refused by its headers alone. */
function refusal({ headers, raw }: FastifyRequest): Error | undefined {
  if (raw.rawHeaders.length / 2 > MAX_HEADERS)
    return requestFault(431, `The request has more than ${MAX_HEADERS} headers.`);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    return requestFault(415, 'The body has to be sent uncompressed.');
  return undefined;
}
