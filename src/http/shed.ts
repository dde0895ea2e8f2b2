import type { RequestListener } from 'node:http';
import { overloaded } from '../errors.js';
import type { Holding } from './holding.js';
import { isOpenAiUrl, openAiErrorBody } from './openai-error.js';
import { type ErrorEdge, withRequestId } from './public-error.js';
import { requestId } from './request-id.js';
import { failureHead } from './response-status.js';
import type { Shedding } from './shedding.js';

/** Time after which a shed request may come again, in ms. */
const RETRY_MS = 1_000;

export interface ShedOptions {
  readonly shedding: Pick<Shedding, 'sheds'>;
  readonly holding: Pick<Holding, 'refuse'>;
  readonly errors: Pick<ErrorEdge, 'format'>;
  readonly closing: () => boolean;
}

/**
 * Puts shedding in front of `handler`: what is shed costs no routing, span, log line or body, only the same OVERLOADED that it would
 * get further down. Health, metrics and documents always pass.
 */
export function shedBefore(
  handler: RequestListener,
  { shedding, holding, errors, closing }: ShedOptions,
): RequestListener {
  const error = overloaded('The server is asked for more than it can answer.', RETRY_MS);
  // What does not depend on the request is made once: refusing is what a server under such a load does most.
  const anonymous = errors.format(error);
  const { status = error.status, retryAfter } = failureHead(null, [anonymous]) ?? {};
  return (request, response) => {
    const { url = '' } = request;
    if (!computes(url) || !shedding.sheds()) {
      handler(request, response);
      return;
    }
    const id = requestId(request.headers['x-request-id']);
    const formatted = withRequestId(anonymous, id);
    const body = JSON.stringify(
      isOpenAiUrl(url) ? openAiErrorBody(error, formatted, status) : { errors: [formatted] },
    );
    holding.refuse(() => {
      response.writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(body),
        'x-request-id': id,
        'x-content-type-options': 'nosniff',
        ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
        ...(closing() && { connection: 'close' }),
      });
      response.end(body);
    });
  };
}

/** Whether a request to `url` asks for vectors or items. */
function computes(url: string): boolean {
  return /^\/(?:graphql|embed\/|v1\/embeddings)/.test(url);
}
