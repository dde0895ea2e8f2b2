import { KindredError } from '../errors.js';
import { isOverTime } from './guard.js';

/** Whether `error` says that Pinecone can't be reached or does not answer, rather than that it refuses one call. */
export function isAway(error: unknown): boolean {
  return (
    isOverTime(error) || /^Pinecone(Connection|MaxRetriesExceeded|Unavailable)Error$/.test(nameOf(error))
  );
}

/** Whether a namespace or an index is not there: the first write makes a namespace. */
export function isMissing(error: unknown): boolean {
  return nameOf(error) === 'PineconeNotFoundError';
}

/** What a call of `what` that failed with `error` means to callers. Pinecone's own words are in the cause, for the log alone. */
export function pineconeFault(what: string, error: unknown): KindredError {
  if (error instanceof KindredError) return error;
  const fail = (message: string, retryAfterMs?: number): KindredError =>
    new KindredError('UPSTREAM_UNAVAILABLE', message, { cause: error, retryAfterMs });
  const name = nameOf(error);
  if (isTimeout(error)) return fail(`the vector store did not answer in time (${what})`);
  if (isAway(error)) return fail(`the vector store can't be reached (${what})`, 1_000);
  switch (name) {
    case 'PineconeAuthorizationError':
      return fail(`the vector store does not accept the gateway's credentials (${what})`);
    case 'PineconeNotFoundError':
      return fail(`the vector store has lost the collection (${what})`);
    case 'PineconeUnmappedHttpError':
      if (/\bStatus: 429\b/.test((error as Error).message))
        return new KindredError('OVERLOADED', `the vector store is asked for too much (${what})`, {
          cause: error,
          retryAfterMs: 1_000,
        });
  }
  return fail(
    name.startsWith('Pinecone') ? `the vector store refused ${what}` : `the vector store failed at ${what}`,
  );
}

/** The guard's time limit, or that of a request, which the SDK wraps. */
function isTimeout(error: unknown): boolean {
  return isOverTime(error) || (error instanceof Error && nameOf(error.cause) === 'TimeoutError');
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}
