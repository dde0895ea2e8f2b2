import type { z } from 'zod';
import { KindredError } from '../errors.js';

/** Faults of a body that are told at once, at most. */
const MAX_FAULTS = 5;

/** An error that one parameter of the request causes: the OpenAI shape names it. */
export class ParameterError extends KindredError {
  constructor(
    error: KindredError,
    /** E.g. `model` or `input[3]`. */
    readonly parameter: string | undefined,
  ) {
    const { code, message, reason, retryAfterMs } = error;
    super(code, message, { reason, retryAfterMs, cause: error.cause });
  }
}

/** The body as `schema` reads it. Throws BAD_USER_INPUT that names each fault with its place. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, MAX_FAULTS).map(({ path, message }) => {
    const place = placeOf(path);
    return place === '' ? message : `${place}: ${message}`;
  });
  const place = placeOf(parsed.error.issues[0]?.path ?? []);
  throw new ParameterError(
    new KindredError('BAD_USER_INPUT', faults.join('; ')),
    place === '' ? undefined : place,
  );
}

/**
 * Throws TOO_MANY_INPUTS when the list `name` of a body is longer than `limit`: told before its items are checked, as each bad
 * item among a million would cost an error of its own.
 */
export function checkCount(body: unknown, name: string, limit: number): void {
  if (typeof body !== 'object' || body === null) return;
  const list = (body as Readonly<Record<string, unknown>>)[name];
  if (!Array.isArray(list) || list.length <= limit) return;
  throw new ParameterError(
    new KindredError('BAD_USER_INPUT', `expected at most ${limit} items in ${name}, but got ${list.length}`, {
      reason: 'TOO_MANY_INPUTS',
    }),
    name,
  );
}

/** `['input', 3, 'text']` as `input[3].text`. */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`))
    .join('');
}
