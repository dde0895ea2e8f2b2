import { z } from 'zod';
import { badAnswer } from './fault.js';

/** Parses an answer by `schema`. Throws RemoteFault `refused` that names the member and never its value. */
export function parseAnswer<T>(schema: z.ZodType<T>, body: Buffer): T {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (error) {
    // Also NaN and Infinity, which TensorFlow Serving writes and JSON does not have.
    throw badAnswer('expected JSON', error);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badAnswer(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'expected something else'}`);
}

/** Numbers are checked where vectors are: zod would take longer over thousands of them than JSON.parse does. */
export const numbers = z.custom<readonly number[]>(Array.isArray, 'expected a list of numbers');

/** A list of `[texts]` numbers or booleans as `count` numbers. Throws RemoteFault `refused`. */
export function perText(values: readonly unknown[], count: number, name: string): number[] {
  const flat = values.flat(8).map(Number);
  if (flat.length !== count)
    throw badAnswer(`expected ${String(count)} values of ${name}, but got ${String(flat.length)}`);
  return flat;
}
