import { KindredError } from '../errors.js';
import { isOverTime } from './guard.js';

/** What Milvus answers of a call, in the old and in the new form; both have to be looked at. */
export interface MilvusStatus {
  readonly error_code?: string | number | null;
  readonly code?: number | null;
  readonly reason?: string | null;
}

/** Codes of https://github.com/milvus-io/milvus/blob/master/pkg/util/merr/errors.go that mean something to us. */
const CODE = {
  rateLimit: 8,
  forceDeny: 9,
  collectionNotFound: 100,
  collectionNotLoaded: 101,
  databaseNotFound: 800,
} as const;

/** Ours, for an answer that is none. */
const UNKNOWN_CALL = -2;

/** Codes of gRPC. */
const GRPC = { deadline: 4, permission: 7, exhausted: 8, unavailable: 14, unauthenticated: 16 } as const;

/** An answer of Milvus that is a refusal. */
export class MilvusRefusal extends Error {
  override readonly name = 'MilvusRefusal';
  constructor(
    readonly code: number,
    reason: string,
  ) {
    super(`Milvus refused with code ${String(code)}: ${reason}`);
  }

  /** The collection is not there. */
  get missing(): boolean {
    return this.code === CODE.collectionNotFound || /(can't find|not exist)/i.test(this.message);
  }

  /** The collection is there and not in memory. */
  get notLoaded(): boolean {
    return this.code === CODE.collectionNotLoaded || /not loaded/i.test(this.message);
  }
}

/** Throws MilvusRefusal unless `status` is success. A server that does not know a method answers nothing at all. */
export function checkStatus(status: MilvusStatus | null | undefined): void {
  if (!status) throw new MilvusRefusal(UNKNOWN_CALL, 'this server does not know the call');
  const { error_code: old, code, reason } = status;
  const ok = (old === undefined || old === null || old === 'Success' || old === 0) && (code ?? 0) === 0;
  if (!ok) throw new MilvusRefusal(code === 0 ? -1 : (code ?? -1), reason ?? String(old));
}

/** Whether `error` says that the server can't be reached or does not answer, rather than that it refuses one call. */
export function isAway(error: unknown): boolean {
  const code = grpcCode(error);
  return code === GRPC.deadline || code === GRPC.unavailable || isTimeout(error);
}

/** What a call of `what` that failed with `error` means to callers. The server's own words are in the cause, for the log alone. */
export function milvusFault(what: string, error: unknown): KindredError {
  if (error instanceof KindredError) return error;
  const fail = (message: string, retryAfterMs?: number): KindredError =>
    new KindredError('UPSTREAM_UNAVAILABLE', message, { cause: error, retryAfterMs });
  if (error instanceof MilvusRefusal) {
    if (error.code === CODE.rateLimit || error.code === CODE.forceDeny)
      return new KindredError('OVERLOADED', `the vector store is asked for too much (${what})`, {
        cause: error,
        retryAfterMs: 1_000,
      });
    if (error.missing) return fail(`the vector store has lost the collection (${what})`);
    if (error.notLoaded) return fail(`the collection is not in the vector store's memory (${what})`, 1_000);
    return fail(`the vector store refused ${what}`);
  }
  switch (grpcCode(error)) {
    case GRPC.deadline:
      return fail(`the vector store did not answer in time (${what})`);
    case GRPC.permission:
    case GRPC.unauthenticated:
      return fail(`the vector store does not accept the gateway's credentials (${what})`);
    case GRPC.exhausted:
      return fail(`the vector store's answer or the request is too large (${what})`);
    case GRPC.unavailable:
      return fail(`the vector store can't be reached (${what})`, 1_000);
    default:
      return fail(
        isTimeout(error)
          ? `the vector store did not answer in time (${what})`
          : `the vector store failed at ${what}`,
      );
  }
}

function grpcCode(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

/** The guard's time limit, and what the SDK throws when it could not connect within its own. */
function isTimeout(error: unknown): boolean {
  return isOverTime(error) || (error instanceof Error && /timed? ?out/i.test(error.message));
}
