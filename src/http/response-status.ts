import type { GraphQLFormattedError } from 'graphql';
import { ERROR_TABLE, type ErrorCode } from '../errors.js';

/** Seconds after which to retry when the error itself names no time. */
const DEFAULT_RETRY_S = 1;

/** The HTTP head that an answer without any data takes. */
export interface FailureHead {
  readonly status: number;
  /** Value of `Retry-After` in whole seconds, when a retry is worth while. */
  readonly retryAfter: string | undefined;
}

/**
 * The head of an answer in which every top-level field failed: the status of its worst error. Undefined when there is any data,
 * a top-level null that no error explains, or no error of {@link ERROR_TABLE}.
 */
export function failureHead(
  data: Readonly<Record<string, unknown>> | null | undefined,
  errors: readonly GraphQLFormattedError[] | undefined,
): FailureHead | undefined {
  if (!errors || errors.length === 0) return undefined;
  if (data) {
    const failed = new Set(errors.map(({ path }) => path?.[0]));
    for (const [name, value] of Object.entries(data))
      if (value !== null || !failed.has(name)) return undefined;
  }
  const rows = errors.flatMap(({ extensions }) => {
    const code = extensions?.code;
    return isErrorCode(code) ? [{ ...ERROR_TABLE[code], retryAfterMs: extensions?.retryAfterMs }] : [];
  });
  if (rows.length === 0) return undefined;
  const status = Math.max(...rows.map((row) => row.status));
  const waits = rows
    .filter(({ retry }) => retry)
    .map(({ retryAfterMs }) =>
      typeof retryAfterMs === 'number' ? Math.ceil(retryAfterMs / 1_000) : DEFAULT_RETRY_S,
    );
  const retryable = rows.some((row) => row.status === status && row.retry);
  return { status, retryAfter: retryable ? String(Math.max(DEFAULT_RETRY_S, ...waits)) : undefined };
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_TABLE, code);
}
