import { badInput } from '../errors.js';
import type { ModelVersion } from '../models/model-version.js';

/** What a vector outside of Kindred says of the model that made it. */
export interface Passport {
  readonly version: string;
  /** The beginning of the digest over all that decides a vector: files, pooling, prefixes, dimension. */
  readonly mark: string;
  readonly dimension: number;
}

/** Hex digits of a digest: enough that no two models of a company share them. */
const MARK_DIGITS = 16;

/** The passport of a model's vectors, e.g. `v2.d0f3f0d6af52c1ab.384`. */
export function passportOf({ id, digest }: Pick<ModelVersion, 'id' | 'digest'>, dimension: number): string {
  return `${id}.${digest.slice(0, MARK_DIGITS)}.${String(dimension)}`;
}

/** Reads a passport. Throws BAD_USER_INPUT (PASSPORT) for what is none. */
export function readPassport(text: string): Passport {
  const match = /^(.{1,256})\.([0-9a-f]{16})\.([1-9]\d{0,5})$/.exec(text);
  if (match === null)
    throw badInput('expected the passport of an embedding, but got something else', 'PASSPORT');
  const [, version = '', mark = '', dimension] = match;
  return { version, mark, dimension: Number(dimension) };
}

/** Throws BAD_USER_INPUT (PASSPORT) when a vector of `passport` and the vectors of `version` can't be compared, in words that name both models. */
export function checkPassport(
  { version: id, mark, dimension }: Passport,
  version: Pick<ModelVersion, 'id' | 'digest' | 'dimension'>,
): void {
  const own = version.digest.slice(0, MARK_DIGITS);
  if (id === version.id && mark === own && dimension === version.dimension) return;
  const describe = (name: string, digest: string, numbers: number): string =>
    `${name} (files ${digest.slice(0, 8)}, ${String(numbers)} numbers)`;
  throw badInput(
    `a vector of model version ${describe(id, mark, dimension)} can not be compared with those of ${describe(version.id, own, version.dimension)}, which answers`,
    'PASSPORT',
  );
}
