import { type ApolloServer, HeaderMap, type HTTPGraphQLRequest } from '@apollo/server';
import { context } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLFormattedError } from 'graphql';
import type { Config } from '../config.js';
import { KindredError } from '../errors.js';
import type { App } from './app.js';
import type { Browser } from './browser.js';
import { startDeadline } from './deadline.js';
import { type ErrorEdge, withRequestId } from './public-error.js';
import type { RequestScope, Scopes } from './scope.js';

/** What a request's resolvers may know of it. */
export type RequestFacts = Pick<RequestScope, 'requestId' | 'signal' | 'deadline' | 'log'>;

export interface GraphQLRouteOptions {
  readonly apollo: ApolloServer;
  readonly config: Config['server'];
  readonly makeContext: (request: RequestFacts) => object;
  readonly errors: ErrorEdge;
  readonly scopes: Scopes;
  /** Undefined in production: browsers get no page there. */
  readonly browser: Browser | undefined;
}

/** The requests that are being answered on `/graphql`. */
export interface GraphQLRoute {
  readonly inFlight: number;
  /** Ends them all with `error`. */
  abortAll(error: KindredError): void;
}

/** Adds `/graphql`: admission, deadline, cancellation, and the hand-over to Apollo. */
export function addGraphQLRoute({ app, observation }: App, options: GraphQLRouteOptions): GraphQLRoute {
  const { apollo, config, makeContext, errors, scopes, browser } = options;
  const inFlight = new Set<(error: KindredError) => void>();

  const admit = (): void => {
    if (inFlight.size < config.maxInFlight) return;
    throw new KindredError('OVERLOADED', 'The server is answering as many requests as it can.', {
      retryAfterMs: 1_000,
    });
  };

  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    admit();
    const seen = observation(request);
    const deadline = startDeadline(config.deadlineMs, request.headers);
    const scope: RequestScope = {
      requestId: request.id,
      signal: deadline.signal,
      deadline: deadline.at,
      log: seen.log,
    };
    seen.scope = scope;
    inFlight.add(deadline.abort);
    reply.raw.once('close', () => {
      inFlight.delete(deadline.abort);
      if (reply.raw.writableFinished) deadline.clear();
      else deadline.abort(new KindredError('REQUEST_CANCELLED', 'The client went away.'));
    });
    const httpGraphQLRequest = toApolloRequest(request);
    scopes.set(httpGraphQLRequest, scope);
    const work = context.with(seen.context, () =>
      apollo.executeHTTPGraphQLRequest({
        httpGraphQLRequest,
        context: () => {
          try {
            return Promise.resolve(makeContext(scope));
          } catch (error) {
            errors.report(error, seen.log);
            throw error;
          }
        },
      }),
    );
    const { status, headers, body } = await deadline.limit(work);
    if (body.kind !== 'complete') throw new Error('incremental delivery is not supported');
    void reply.code(status ?? 200).header('cache-control', 'no-store');
    for (const [name, value] of headers) void reply.header(name, value);
    return reply.send(scope.started ? body.string : identify(body.string, request.id));
  };

  app.all('/graphql', {
    onRequest: (_request, _reply, done) => {
      // Before the body is read: refusing has to be cheap. Asked again after it, because only then does a request take a place.
      admit();
      done();
    },
    handler: (request, reply) =>
      browser?.visits(request) ? browser.send(request, reply) : answer(request, reply),
  });

  return {
    get inFlight() {
      return inFlight.size;
    },
    abortAll(error) {
      for (const abort of inFlight) abort(error);
    },
  };
}

/** The body of a request that Apollo refused before it became an operation, with the id in its errors. */
function identify(body: string, requestId: string): string {
  const { errors } = JSON.parse(body) as { errors: GraphQLFormattedError[] };
  return JSON.stringify({ errors: errors.map((error) => withRequestId(error, requestId)) });
}

function toApolloRequest({ method, url, headers, body }: FastifyRequest): HTTPGraphQLRequest {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) map.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const at = url.indexOf('?');
  return { method, headers: map, search: at < 0 ? '' : url.slice(at), body };
}
