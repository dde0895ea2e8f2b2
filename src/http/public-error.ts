import { GraphQLError, type GraphQLFormattedError, Kind } from 'graphql';
import type { Logger } from 'pino';
import { ERROR_TABLE, type ErrorReason, KindredError } from '../errors.js';
import type { Telemetry } from '../telemetry.js';

/** Characters of a message at most: graphql-js quotes values that clients sent. */
const MAX_MESSAGE = 400;

/** Codes of errors that graphql-js and Apollo make about the request itself: their messages tell nothing about the inside. */
const REQUEST_CODES: ReadonlySet<unknown> = new Set([
  'BAD_REQUEST',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
]);

/** The extensions that may go out. */
const PUBLIC_EXTENSIONS = ['reason', 'retryAfterMs', 'cost', 'limit'] as const;

/** A request that goes over a limit of the server: its operation was not executed. */
export function limitError(
  reason: ErrorReason,
  message: string,
  figures: { cost?: number; limit: number },
): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', reason, ...figures } });
}

/** Makes errors public and tells the operators about them. */
export interface ErrorEdge {
  /** What a client may see of `error`. */
  readonly format: (error: unknown, requestId?: string) => GraphQLFormattedError;
  /** Counts `error`, and logs it in full when clients see nothing of it. */
  readonly report: (error: unknown, log: Logger) => void;
}

/**
 * The one place where errors become public: KindredErrors keep code, reason and message; faults of the request keep theirs
 * (one uniform message about the schema in production); everything else is logged and masked as INTERNAL_SERVER_ERROR.
 */
export function createErrorEdge({
  production,
  telemetry,
}: {
  readonly production: boolean;
  readonly telemetry: Telemetry;
}): ErrorEdge {
  return {
    format(error, requestId) {
      const { message, extensions, where } = describe(error, production);
      return withRequestId(
        {
          message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}...` : message,
          ...(where && error instanceof GraphQLError && pickPlace(error)),
          extensions,
        },
        requestId,
      );
    },
    report(error, log) {
      const { code } = describe(error, production).extensions;
      telemetry.metrics.errors.add(1, { code });
      if (code === 'INTERNAL_SERVER_ERROR') log.error({ err: rootCause(error) }, 'unexpected error');
    },
  };
}

/** `error` with the id of the request that it answers. */
export function withRequestId(
  error: GraphQLFormattedError,
  requestId: string | undefined,
): GraphQLFormattedError {
  return requestId === undefined ? error : { ...error, extensions: { ...error.extensions, requestId } };
}

interface Described {
  message: string;
  extensions: { code: string; [name: string]: unknown };
  /** Whether locations and path may go out. */
  where: boolean;
}

function describe(error: unknown, production: boolean): Described {
  const kindred = findKindredError(error);
  if (kindred) {
    const { code, reason, retryAfterMs, message } = kindred;
    return {
      message,
      extensions: { code, ...(reason && { reason }), ...(retryAfterMs !== undefined && { retryAfterMs }) },
      where: true,
    };
  }
  const code = error instanceof GraphQLError ? requestCode(error) : undefined;
  if (!(error instanceof GraphQLError) || code === undefined) {
    return { message: 'Internal server error', extensions: { code: 'INTERNAL_SERVER_ERROR' }, where: true };
  }
  const picked = PUBLIC_EXTENSIONS.filter((name) => error.extensions[name] !== undefined);
  const extensions = { code, ...Object.fromEntries(picked.map((name) => [name, error.extensions[name]])) };
  if (production && code === 'GRAPHQL_VALIDATION_FAILED') {
    return { message: 'The operation does not fit the schema.', extensions, where: false };
  }
  const variable = production ? variableName(error) : undefined;
  return {
    message: variable ? `Variable "$${variable}" has an invalid value.` : error.message,
    extensions,
    where: true,
  };
}

/** The public code of an error about the request, or undefined when the error is ours. */
function requestCode(error: GraphQLError): string | undefined {
  const { code, http } = error.extensions as { code?: unknown; http?: { status?: number } };
  if (
    typeof code === 'string' &&
    (REQUEST_CODES.has(code) || (code in ERROR_TABLE && code !== 'INTERNAL_SERVER_ERROR'))
  )
    return code;
  // Apollo gives some faults of a request (a wrong hash of a persisted query) a status and no code.
  return http?.status !== undefined && http.status >= 400 && http.status < 500 ? 'BAD_REQUEST' : undefined;
}

/** A KindredError however deep graphql-js has wrapped it, e.g. one thrown by a scalar on a variable. */
function findKindredError(error: unknown): KindredError | undefined {
  let inner = error;
  for (let depth = 0; depth < 8; depth++) {
    if (inner instanceof KindredError) return inner;
    if (!(inner instanceof GraphQLError)) return undefined;
    inner = inner.originalError;
  }
  return undefined;
}

function rootCause(error: unknown): unknown {
  return error instanceof GraphQLError ? (error.originalError ?? error) : error;
}

/** The variable that an error of variable coercion is about: graphql-js' message would quote types and fields of the schema. */
function variableName(error: GraphQLError): string | undefined {
  const node = error.nodes?.[0];
  return node?.kind === Kind.VARIABLE_DEFINITION ? node.variable.name.value : undefined;
}

function pickPlace({ locations, path }: GraphQLError): Pick<GraphQLFormattedError, 'locations' | 'path'> {
  return { ...(locations && { locations }), ...(path && { path }) };
}
