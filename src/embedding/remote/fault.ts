/**
 * What went wrong with a remote server:
 * - `unreachable`: no answer, or one that says "later" (502, 503, 504); trying again may help.
 * - `busy`: it answers, and has no room now (429).
 * - `refused`: it answered that it can't embed what it was sent (400, 413, 422, 500), or with something that is no answer; the texts may be to blame.
 * - `misconfigured`: it will refuse everything until somebody changes something (401, 403, 404, a certificate).
 * - `cancelled`: nobody waits any more.
 */
export type RemoteFaultKind = 'unreachable' | 'busy' | 'refused' | 'misconfigured' | 'cancelled';

interface RemoteFaultDetails {
  /** When the server wants to be asked again, in ms. */
  readonly retryAfterMs?: number;
  /** The HTTP status, where there was one. */
  readonly status?: number;
  /** Whether the server says that the text is too long. */
  readonly tooLong?: boolean;
  readonly cause?: unknown;
}

/** A failed exchange with a remote server. Its message is for operators: it holds no texts and no secrets. */
export class RemoteFault extends Error {
  override readonly name = 'RemoteFault';
  readonly retryAfterMs: number | undefined;
  readonly status: number | undefined;
  readonly tooLong: boolean;

  constructor(
    readonly kind: RemoteFaultKind,
    message: string,
    { retryAfterMs, status, tooLong = false, cause }: RemoteFaultDetails = {},
  ) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
    this.status = status;
    this.tooLong = tooLong;
  }
}

/** An answer that is not what the protocol says. */
export function badAnswer(message: string, cause?: unknown): RemoteFault {
  return new RemoteFault('refused', `the server's answer is not understood: ${message}`, { cause });
}
