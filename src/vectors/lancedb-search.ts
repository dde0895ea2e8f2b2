import type { Table, VectorQuery } from '@lancedb/lancedb';
import type { LanceDbOptions } from './lancedb-common.js';
import type { Indexes } from './lancedb-index.js';
import type { RowIds } from './lancedb-row-ids.js';
import { clampCosine, compareHits } from './records.js';
import type { Hit } from './store.js';

/** Hits fetched beyond the limit, so that equals at its edge are told apart by id. */
const SPARE = 16;
/** Most equals at the edge that are told apart. */
const MAX_SPARE = 4_096;

/** How one call to LanceDB searches. */
interface Plan {
  readonly limit: number;
  readonly where: string | undefined;
  /** Skips the index and compares every row. */
  readonly flat: boolean;
}

/**
 * Finds the nearest rows of each query in one call: `(queries [n][dimension], limit, SQL filter)`. Whatever an approximate index leaves
 * out of a filtered result (its graph may run dry before `limit` rows match) is found by a second, exact search.
 */
export function createNearest(
  table: Table,
  indexes: Indexes,
  rowIds: RowIds,
  { refineFactor }: LanceDbOptions,
): (queries: readonly Float32Array[], limit: number, where: string | undefined) => Promise<Hit[][]> {
  const run = async (queries: readonly Float32Array[], plan: Plan): Promise<Hit[][]> => {
    const [first, ...others] = queries;
    if (first === undefined) return [];
    const kind = await indexes.kind();
    let query: VectorQuery = table
      .query()
      .nearestTo(first)
      .distanceType('cosine')
      .limit(plan.limit)
      .select(['id', '_distance'])
      .withRowId();
    for (const vector of others) query = query.addQueryVector(vector);
    if (plan.where !== undefined) query = query.where(plan.where);
    if (plan.flat) query = query.bypassVectorIndex();
    else if (kind === 'exact') query = query.nprobes(indexes.partitions);
    else if (kind === 'graph') query = query.refineFactor(refineFactor);
    return split(await query.toArrow(), queries.length, rowIds);
  };

  /** Asks for more until the last hit is farther than the one at the limit: then ids decide between all equals. */
  const runToEdge = async (queries: readonly Float32Array[], limit: number, plan: Plan): Promise<Hit[][]> => {
    let spare = SPARE;
    for (;;) {
      const results = await run(queries, { ...plan, limit: limit + spare });
      const cut = results.some(
        (hits) => hits.length === limit + spare && hits.at(-1)?.score === hits[limit - 1]?.score,
      );
      if (!cut || spare >= MAX_SPARE) return results.map((hits) => hits.slice(0, limit));
      spare *= 4;
    }
  };

  return async (queries, limit, where) => {
    const plan: Plan = { limit, where, flat: false };
    const results = await runToEdge(queries, limit, plan);
    if ((await indexes.kind()) !== 'graph' || results.every((hits) => hits.length === limit)) return results;
    const matching = Math.min(limit, await table.countRows(where));
    const short = results.flatMap((hits, index) => (hits.length < matching ? [index] : []));
    const again = await runToEdge(
      short.flatMap((index) => queries[index] ?? []),
      limit,
      { ...plan, flat: true },
    );
    for (const [position, index] of short.entries()) results[index] = again[position] ?? [];
    return results;
  };
}

/** The rows of a search by query; with a single query there is no `query_index` column. */
function split(rows: Awaited<ReturnType<VectorQuery['toArrow']>>, queries: number, rowIds: RowIds): Hit[][] {
  const results = Array.from({ length: queries }, (): Hit[] => []);
  const ids = rows.getChild('id');
  const distances = rows.getChild('_distance');
  const numbers = rows.getChild('_rowid');
  const indexes = rows.getChild('query_index');
  for (let row = 0; row < rows.numRows; row += 1) {
    const id = String(ids?.get(row));
    const score = clampCosine(1 - Number(distances?.get(row)));
    results[Number(indexes?.get(row) ?? 0)]?.push({ id, score });
    const rowId: unknown = numbers?.get(row);
    if (typeof rowId === 'bigint') rowIds.set(id, rowId);
  }
  for (const hits of results) hits.sort(compareHits);
  return results;
}
