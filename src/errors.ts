import type { StopSignal } from './stop.js';

/**
 * The one table of errors that Kindred answers with: public code, HTTP status of a request that fails as a whole, and whether
 * the same request may succeed when sent again. Everything else is masked as INTERNAL_SERVER_ERROR at the edge.
 */
export const ERROR_TABLE = {
  BAD_USER_INPUT: { status: 400, retry: false },
  MODEL_VERSION_NOT_FOUND: { status: 400, retry: false },
  FEATURE_UNSUPPORTED: { status: 400, retry: false },
  UNAUTHENTICATED: { status: 401, retry: false },
  FORBIDDEN: { status: 403, retry: false },
  RATE_LIMITED: { status: 429, retry: true },
  OVERLOADED: { status: 429, retry: true },
  REQUEST_CANCELLED: { status: 499, retry: true },
  MODEL_VERSION_UNAVAILABLE: { status: 503, retry: true },
  UPSTREAM_UNAVAILABLE: { status: 503, retry: true },
  DEADLINE_EXCEEDED: { status: 504, retry: true },
  INTERNAL_SERVER_ERROR: { status: 500, retry: false },
} as const satisfies Record<string, { status: number; retry: boolean }>;

/** A public error code, as clients see it in `extensions.code`. */
export type ErrorCode = keyof typeof ERROR_TABLE;

/** What narrows a code down for a program, as clients see it in `extensions.reason`. */
export type ErrorReason =
  | 'BAD_CURSOR'
  | 'BAD_IMAGE'
  | 'BAD_TEXT'
  | 'BAD_URL'
  | 'DIMENSION_MISMATCH'
  | 'EMPTY'
  | 'FILTER_TOO_LARGE'
  | 'IMAGE_TOO_LARGE'
  | 'NOT_FINITE'
  | 'NOT_FOUND'
  | 'OUT_OF_RANGE'
  | 'PAGE_SIZE'
  | 'PASSPORT'
  | 'TEXT_TOO_LONG'
  | 'TOO_COSTLY'
  | 'TOO_DEEP'
  | 'TOO_MANY_INPUTS'
  | 'TOO_MANY_TOKENS'
  | 'TRANSITION'
  | 'UNKNOWN_FIELD'
  | 'UNSUPPORTED_IMAGE'
  | 'ZERO_NORM';

/** Facts about an error beyond its code and message. */
export interface ErrorDetails {
  reason?: ErrorReason;
  /** Milliseconds after which a retry is worth while; also sent as `Retry-After`. */
  retryAfterMs?: number;
  /** The cause, for the log only: it never reaches a client. */
  cause?: unknown;
}

/** An error that a client may see: its message holds no path, host, secret or text of another user. */
export class KindredError extends Error {
  override readonly name = 'KindredError';
  readonly code: ErrorCode;
  readonly reason: ErrorReason | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** The HTTP status of a request that fails with this error as a whole. */
  get status(): number {
    return ERROR_TABLE[this.code].status;
  }

  /** Whether the same request may succeed when sent again. */
  get retry(): boolean {
    return ERROR_TABLE[this.code].retry;
  }
}

/** Shorthand for the commonest error: the client sent something that can't be answered. */
export function badInput(message: string, reason?: ErrorReason): KindredError {
  return new KindredError('BAD_USER_INPUT', message, { reason });
}

/**
 * The error of what is refused because too much waits already. It has no stack, the dearest part of an error: refusing has to be cheap just
 * when there is the most to refuse.
 */
export function overloaded(message: string, retryAfterMs: number): KindredError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = new KindredError('OVERLOADED', message, { retryAfterMs });
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

/** Turns an aborted signal into the error that its reason stands for. */
export function abortError(signal: StopSignal): KindredError {
  return signal.reason instanceof KindredError
    ? signal.reason
    : new KindredError('REQUEST_CANCELLED', 'the request was cancelled', { cause: signal.reason });
}

/** Throws the error of `signal` when it is aborted. */
export function throwIfAborted(signal: StopSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}
