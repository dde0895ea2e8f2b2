import { KindredError, badInput } from '../errors.js';
import type { Item } from '../catalogue/item.js';
import type { CollectionSpec, VectorRecord } from './store.js';
import { isWellFormed } from './typed-filter.js';

/** Throws BAD_USER_INPUT unless `vector` is `[dimension]`, finite, and has a direction. */
function checkVector(vector: Float32Array, dimension: number): void {
  if (vector.length !== dimension) {
    throw badInput(
      `a vector has ${String(vector.length)} dimensions, the collection has ${String(dimension)}`,
      'DIMENSION_MISMATCH',
    );
  }
  let squares = 0;
  // By index: an iterator allocates an object a number, and every search comes through here.
  // eslint-disable-next-line @typescript-eslint/prefer-for-of -- for-of is the iterator
  for (let at = 0; at < vector.length; at += 1) squares += (vector[at] ?? 0) ** 2;
  // Squares are summed in float64, so finite float32 values can't overflow: not finite means a NaN or an infinity.
  if (!Number.isFinite(squares)) throw badInput('a vector holds a number that is not finite', 'NOT_FINITE');
  if (squares === 0) throw badInput('a vector of zeros has no direction', 'ZERO_NORM');
}

/** Checks the records of an upsert and drops all but the last of each id, as if they were written one by one. */
export function checkRecords(
  records: readonly VectorRecord[],
  spec: CollectionSpec,
  maxUpsert: number,
): VectorRecord[] {
  if (records.length > maxUpsert) throw badInput(`an upsert takes ${String(maxUpsert)} records at most`);
  const byId = new Map<string, VectorRecord>();
  for (const record of records) {
    checkVector(record.vector, spec.dimension);
    if (!isWellFormed(record.item.id)) throw badInput('an id is not valid Unicode', 'BAD_TEXT');
    byId.set(record.item.id, record);
  }
  return [...byId.values()];
}

/** Checks the queries and limit of a search. */
export function checkQueries(
  queries: readonly Float32Array[],
  limit: number,
  spec: CollectionSpec,
  maxQueries: number,
): void {
  if (queries.length > maxQueries) throw badInput(`a search takes ${String(maxQueries)} queries at most`);
  checkLimit(limit);
  for (const query of queries) checkVector(query, spec.dimension);
}

/** Checks the limit of a search. */
export function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw badInput('the limit of a search is a positive integer');
}

/** Throws unless `spec` can name files and columns. A wrong one is a fault of the program, not of a client. */
export function checkSpec(spec: CollectionSpec): void {
  if (!/^[A-Za-z0-9_]{1,200}$/.test(spec.name)) {
    throw new TypeError(
      `expected a collection name of 1-200 letters, digits and _, but got ${JSON.stringify(spec.name)}`,
    );
  }
  if (!Number.isSafeInteger(spec.dimension) || spec.dimension < 1) {
    throw new TypeError(`expected a dimension of at least 1, but got ${String(spec.dimension)}`);
  }
  for (const { name } of spec.fields) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new TypeError(`expected a GraphQL name, but got ${JSON.stringify(name)}`);
  }
}

/** Cosine of a rounded sum, back inside -1 to 1. */
export function clampCosine(value: number): number {
  return Math.max(-1, Math.min(1, value));
}

/** Best first; equals by id, in the order of UTF-16 code units. */
export function compareHits(
  a: { readonly id: string; readonly score: number },
  b: { readonly id: string; readonly score: number },
): number {
  if (a.score !== b.score) return b.score - a.score;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/**
 * Why a collection that exists can't be opened as `wanted`; undefined when it can. Fields may stand in any order.
 */
export function specFault(existing: CollectionSpec, wanted: CollectionSpec): string | undefined {
  if (existing.dimension !== wanted.dimension) {
    return `it holds vectors of ${String(existing.dimension)} dimensions, the model makes ${String(wanted.dimension)}`;
  }
  const columns = (spec: CollectionSpec): string =>
    spec.fields
      .map(({ name, type }) => `${name}: ${type}`)
      .sort()
      .join(', ');
  const [old, now] = [columns(existing), columns(wanted)];
  if (old !== now) return `it was imported with the fields (${old}), the catalogue has (${now})`;
  const words = ({ text = [] }: CollectionSpec): string => text.join(', ');
  return words(existing) === words(wanted)
    ? undefined
    : `its lexical search reads (${words(existing)}), that of the catalogue (${words(wanted)})`;
}

/** The text of an item that lexical search reads: the values of the spec's text fields, a line each; null when all are missing. */
export function lexicalText({ fields }: Item, { text = [] }: CollectionSpec): string | null {
  const lines = text.flatMap((name) => {
    const value = fields[name];
    if (typeof value === 'string') return [value];
    return Array.isArray(value) ? value.filter((element) => typeof element === 'string') : [];
  });
  return lines.length === 0 ? null : lines.join('\n');
}

/** The error of a lexical search where there is none. `needs` says what it would take. */
export function noLexicalSearch(store: string, needs: string): KindredError {
  return new KindredError('FEATURE_UNSUPPORTED', `the store ${store} can't search by words: ${needs}`);
}

/** What lexical search takes of the catalogue. */
export const NEEDS_TEXT_FIELDS = 'it needs a field of the catalogue with `search` among its uses';

/** The error for an operator whose catalogue or model has changed under a collection. */
export function specError(name: string, fault: string): Error {
  return badInput(
    `the collection ${name} can't be used: ${fault}. Drop it or choose another data folder, then import again.`,
  );
}
