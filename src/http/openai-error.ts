import type { GraphQLFormattedError } from 'graphql';
import type { OpenAiErrorBody } from './openai-schemas.js';
import { ParameterError } from './parse-body.js';

/** Types by status, as OpenAI's clients and its documentation know them. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};

/** Whether `url` belongs to the API in OpenAI's shape: its errors take that shape, too, even where no route matches. */
export function isOpenAiUrl(url: string): boolean {
  return /^\/v1(?:[/?]|$)/.test(url);
}

/** The status of an error below `/v1`: OpenAI's clients expect an unknown model as 404. */
export function openAiStatus({ extensions }: GraphQLFormattedError, status: number): number {
  return extensions?.code === 'MODEL_VERSION_NOT_FOUND' ? 404 : status;
}

/** `error`, made public as `formatted`, in OpenAI's shape. */
export function openAiErrorBody(
  error: unknown,
  { message, extensions = {} }: GraphQLFormattedError,
  status: number,
): OpenAiErrorBody {
  const type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error');
  const param = error instanceof ParameterError ? (error.parameter ?? null) : null;
  return { error: { message, type, param, code: openAiCode(extensions) } };
}

function openAiCode({ code, reason }: Readonly<Record<string, unknown>>): string | null {
  if (code === 'MODEL_VERSION_NOT_FOUND') return 'model_not_found';
  const own = reason ?? code;
  return typeof own === 'string' ? own.toLowerCase() : null;
}
