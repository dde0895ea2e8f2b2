import { type ApolloServer, HeaderMap, type HTTPGraphQLRequest } from '@apollo/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLFormattedError } from 'graphql';
import type { Admission } from './admission.js';
import type { App } from './app.js';
import type { Browser } from './browser.js';
import { type ErrorEdge, withRequestId } from './public-error.js';
import type { RequestFacts, RequestScope, Scopes } from './scope.js';

export interface GraphQLRouteOptions {
  readonly apollo: ApolloServer;
  readonly admission: Admission;
  readonly makeContext: (request: RequestFacts) => object;
  readonly errors: ErrorEdge;
  readonly scopes: Scopes;
  /** Undefined in production: browsers get no page there. */
  readonly browser: Browser | undefined;
}

/** Adds `/graphql`: admission, and the hand-over to Apollo. */
export function addGraphQLRoute({ app, observation }: App, options: GraphQLRouteOptions): void {
  const { apollo, admission, makeContext, errors, scopes, browser } = options;

  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { facts, run } = admission.enter(request, reply);
    const scope: RequestScope = { ...facts };
    observation(request).scope = scope;
    const httpGraphQLRequest = toApolloRequest(request);
    scopes.set(httpGraphQLRequest, scope);
    const { status, headers, body } = await run(() =>
      apollo.executeHTTPGraphQLRequest({
        httpGraphQLRequest,
        context: () => {
          try {
            return Promise.resolve(makeContext(scope));
          } catch (error) {
            errors.report(error, facts.log);
            throw error;
          }
        },
      }),
    );
    if (body.kind !== 'complete') throw new Error('incremental delivery is not supported');
    void reply.code(status ?? 200).header('cache-control', 'no-store');
    for (const [name, value] of headers) void reply.header(name, value);
    return reply.send(scope.started ? body.string : identify(body.string, request.id));
  };

  app.all('/graphql', {
    onRequest: admission.guard,
    handler: (request, reply) =>
      browser?.visits(request) ? browser.send(request, reply) : answer(request, reply),
  });
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
