import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import {
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
} from '@opentelemetry/semantic-conventions';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { SPAN, type Telemetry } from '../telemetry.js';
import type { RequestScope } from './scope.js';

/** Routes that machines ask all the time: no span, and a log line only at level debug. */
const QUIET: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** What is seen of one HTTP request. */
export interface Observation {
  /** The context that the request's work has to run in. */
  readonly context: Context;
  readonly log: Logger;
  /** Set when the request is a GraphQL one. */
  scope?: RequestScope;
}

export interface ObserveOptions {
  readonly telemetry: Telemetry;
  readonly log: Logger;
}

/**
 * Makes the observer of requests: a span with the caller's trace as parent, metrics by route and status, and one log line, all
 * ended when the answer is out or the client has gone.
 */
export function createObserver({
  telemetry,
  log,
}: ObserveOptions): (request: FastifyRequest, reply: FastifyReply) => Observation {
  return (request, reply) => {
    const start = performance.now();
    const route = request.routeOptions.url ?? 'unknown';
    const quiet = QUIET.has(route);
    const method = METHODS.has(request.method) ? request.method : '_OTHER';
    const parent = quiet ? ROOT_CONTEXT : propagation.extract(context.active(), request.headers);
    const span = quiet ? undefined : startSpan(telemetry, parent, method, route);
    const traceId = span?.isRecording() ? span.spanContext().traceId : undefined;
    const observation: Observation = {
      context: span ? trace.setSpan(parent, span) : parent,
      log: log.child({ requestId: request.id, ...(traceId !== undefined && { traceId }) }),
    };
    reply.raw.once('close', () => {
      const status = reply.raw.writableFinished ? reply.raw.statusCode : 499;
      const ms = performance.now() - start;
      if (span) endSpan(span, status);
      const labels = { route, status: `${Math.floor(status / 100)}xx` };
      telemetry.metrics.requests.add(1, labels);
      telemetry.metrics.requestDuration.record(ms / 1_000, labels);
      const { operationName, texts } = observation.scope ?? {};
      const level = status >= 500 ? 'warn' : quiet ? 'debug' : 'info';
      observation.log[level](
        { method, route, status, ms: Math.round(ms * 10) / 10, operation: operationName, ...texts },
        'request',
      );
    });
    return observation;
  };
}

function startSpan({ tracer }: Telemetry, parent: Context, method: string, route: string): Span {
  const attributes = { [ATTR_HTTP_REQUEST_METHOD]: method, [ATTR_HTTP_ROUTE]: route };
  return tracer.startSpan(SPAN.http, { kind: SpanKind.SERVER, attributes }, parent);
}

function endSpan(span: Span, status: number): void {
  span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, status);
  // The caller's own faults are no errors of the server's span.
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
