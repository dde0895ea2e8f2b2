import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Collection, VectorRecord } from '../../src/vectors/store.js';
import { report } from './report.js';

const DIMENSION = 384;
/** Nearest neighbours that recall looks at. */
const TOP = 10;
/** Rows of one write. */
const BATCH = 2_000;
const CATALOGUE = `
entity: Product
template: '{title}'
fields:
  title: { type: string, uses: [search] }
  brand: { type: string, uses: [filter] }
  price: { type: float, uses: [filter] }
`;
const QUERY = `query Bench($vector: Vector!) {
  recommend(like: [{ vector: $vector }], first: 10) { edges { score node { id title brand price } } }
}`;

/** Settings of a gateway in `folder`, with the catalogue of these benches. */
export function storeFlags(
  folder: string,
  settings: Readonly<Record<string, string>>,
): Record<string, string> {
  const catalogue = join(folder, 'catalogue.yaml');
  writeFileSync(catalogue, CATALOGUE);
  return {
    data: folder,
    'catalogue.file': catalogue,
    'models.versions': 'v2',
    'log.level': 'warn',
    ...settings,
  };
}

/** Unit vectors around 200 centres, the same each run. */
export function clusteredVectors(seed: number): () => Float32Array {
  const random = randomNumbers(seed);
  const centres = Array.from({ length: 200 }, () => unit(random));
  return () => {
    const centre = centres[Math.floor(random() * centres.length)] ?? new Float32Array(DIMENSION);
    return normalised(unit(random).map((value, at) => 0.6 * value + (centre[at] ?? 0)));
  };
}

/** `rows` vectors in one piece of memory. */
export function manyVectors(near: () => Float32Array, rows: number): readonly Float32Array[] {
  const all = new Float32Array(rows * DIMENSION);
  return Array.from({ length: rows }, (_, at) => {
    all.set(near(), at * DIMENSION);
    return all.subarray(at * DIMENSION, (at + 1) * DIMENSION);
  });
}

/** How long it took to write vectors. */
export interface Filled {
  readonly rowsPerSecond: number;
  /** Time that `optimize` took behind the writes, in s. */
  readonly indexSeconds: number;
}

/** Writes all vectors, with three properties each and those that `more` gives the record of a number. */
export async function fill(
  collection: Collection,
  vectors: readonly Float32Array[],
  more: (number: number) => Readonly<Record<string, string>> = () => ({}),
): Promise<Filled> {
  const started = performance.now();
  for (let from = 0; from < vectors.length; from += BATCH) {
    const records = vectors.slice(from, from + BATCH).map((vector, at): VectorRecord => {
      const number = from + at;
      const fields = {
        title: `Product number ${String(number)}`,
        brand: `brand ${String(number % 50)}`,
        price: number / 7,
        ...more(number),
      };
      return { item: { id: `p${String(number)}`, fields }, vector, hash: `h${String(number)}` };
    });
    await collection.upsert(records);
  }
  const written = performance.now();
  await collection.optimize();
  return {
    rowsPerSecond: vectors.length / ((written - started) / 1_000),
    indexSeconds: (performance.now() - written) / 1_000,
  };
}

/** Recall of the ten nearest of 100 queries against a scan of all vectors. */
export async function recall(
  collection: Collection,
  vectors: readonly Float32Array[],
  near: () => Float32Array,
): Promise<number> {
  let found = 0;
  const queries = Array.from({ length: 100 }, near);
  for (const query of queries) {
    const exact = nearest(vectors, query);
    const [hits = []] = await collection.search([query], { limit: TOP });
    found += hits.filter(({ id }) => exact.has(id)).length;
  }
  return found / (queries.length * TOP);
}

/** Ids of the vectors nearest to `query`. */
function nearest(vectors: readonly Float32Array[], query: Float32Array): ReadonlySet<string> {
  const best: { at: number; score: number }[] = [];
  for (const [at, vector] of vectors.entries()) {
    const score = dot(vector, query);
    if (best.length === TOP && score <= (best.at(-1)?.score ?? 0)) continue;
    best.push({ at, score });
    best.sort((a, b) => b.score - a.score);
    if (best.length > TOP) best.pop();
  }
  return new Set(best.map(({ at }) => `p${String(at)}`));
}

/** Prints how a store was filled. */
export function reportFilled(name: string, rows: number, { rowsPerSecond, indexSeconds }: Filled): void {
  report({
    bench: 'store',
    name: `${name}: write`,
    value: rowsPerSecond,
    unit: 'rows/s',
    rows,
    indexSeconds,
  });
}

/** Bodies of requests that each ask for the neighbours of another vector: asked twice, one would be in the cache of windows. */
export function requestBodies(near: () => Float32Array): () => string {
  const bodies = Array.from({ length: 4_000 }, () => bodyOf(near()));
  let turn = 0;
  return () => {
    turn += 1;
    return turn <= bodies.length ? (bodies[turn - 1] ?? '') : bodyOf(near());
  };
}

function bodyOf(vector: Float32Array): string {
  const base64 = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
  return JSON.stringify({ query: QUERY, variables: { vector: base64 } });
}

/** Numbers from 0 to 1, the same each run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function unit(random: () => number): Float32Array {
  return normalised(Float32Array.from({ length: DIMENSION }, () => random() + random() + random() - 1.5));
}

function normalised(vector: Float32Array): Float32Array {
  const norm = Math.sqrt(dot(vector, vector));
  return vector.map((value) => value / norm);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}
