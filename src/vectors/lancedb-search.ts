import type { Table, VectorQuery } from '@lancedb/lancedb';
import type { Data } from 'apache-arrow';
import type { LanceDbOptions } from './lancedb-common.js';
import type { Indexes } from './lancedb-index.js';
import type { RowIds } from './lancedb-row-ids.js';
import { pastTies } from './past-ties.js';
import { clampCosine, compareHits } from './records.js';
import type { Hit } from './store.js';

/** Hits fetched beyond the limit, so that equals at its edge are told apart by id. */
const SPARE = 16;
/** Most equals at the edge that are told apart. */
const MAX_SPARE = 4_096;

/**
 * Nodes of an HNSW graph that a search keeps in sight at least (`efSearch`). Measured on 1,000,000 x 384 in clusters: of the top 10, 0.88 are found with
 * LanceDB's own choice of 1.5 for each candidate, 0.96 with 200, 0.99 with 300 and all with 400, at 4.4 to 4.6 CPU ms a query.
 */
const MIN_EF = 400;
/** Nodes for each candidate, as LanceDB chooses it. */
const EF_SHARE = 1.5;

/** Finds the nearest rows of each query: `(queries [n][dimension], limit, SQL filter)`. */
type Nearest = (
  queries: readonly Float32Array[],
  limit: number,
  where: string | undefined,
) => Promise<Hit[][]>;

/**
 * Searches all queries in one call. The filter goes before the search, and a graph is walked until `limit` rows match, so a narrow
 * filter loses no hits.
 */
export function createNearest(
  table: Table,
  indexes: Indexes,
  rowIds: RowIds,
  { refineFactor }: LanceDbOptions,
): Nearest {
  const run: Nearest = async (queries, limit, where) => {
    const [first, ...others] = queries;
    if (first === undefined) return [];
    const kind = await indexes.kind();
    let query: VectorQuery = table
      .query()
      .nearestTo(first)
      .distanceType('cosine')
      .limit(limit)
      .select(['id', '_distance'])
      .withRowId();
    for (const vector of others) query = query.addQueryVector(vector);
    if (where !== undefined) query = query.where(where);
    if (kind === 'exact') query = query.nprobes(indexes.partitions);
    if (kind === 'graph')
      query = query
        .refineFactor(refineFactor)
        .ef(Math.max(MIN_EF, Math.ceil(limit * refineFactor * EF_SHARE)));
    return split(await query.toArrow(), queries.length, rowIds);
  };

  return (queries, limit, where) =>
    pastTies(limit, { spare: SPARE, growth: 4, most: limit + MAX_SPARE }, (asked) =>
      run(queries, asked, where),
    );
}

/** The rows of a search by query; with a single query there is no `query_index` column. */
function split(rows: Awaited<ReturnType<VectorQuery['toArrow']>>, queries: number, rowIds: RowIds): Hit[][] {
  const results = Array.from({ length: queries }, (): Hit[] => []);
  for (const batch of rows.batches) {
    const ids = textsOf(batch.getChild('id')?.data[0]);
    const distances = batch.getChild('_distance')?.data[0]?.values as Float32Array;
    const numbers = batch.getChild('_rowid')?.data[0]?.values as BigUint64Array;
    const indexes = batch.getChild('query_index')?.data[0]?.values as Int32Array | undefined;
    for (let row = 0; row < batch.numRows; row += 1) {
      const id = ids(row);
      const score = clampCosine(1 - (distances[row] ?? NaN));
      results[indexes?.[row] ?? 0]?.push({ id, score });
      const rowId = numbers[row];
      if (rowId !== undefined) rowIds.set(id, rowId);
    }
  }
  for (const hits of results) hits.sort(compareHits);
  return results;
}

/**
 * Reads the texts of a utf8 column from its buffers: merged searches answer thousands of rows, and arrow's own accessor, which makes a
 * view and a decoder call a row, took three times as long.
 */
function textsOf(data: Data | undefined): (row: number) => string {
  if (data === undefined) throw new Error('expected a column id');
  const { valueOffsets } = data as { valueOffsets: Int32Array };
  const { buffer, byteOffset, byteLength } = data.values as Uint8Array;
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  return (row) => bytes.toString('utf8', valueOffsets[row] ?? 0, valueOffsets[row + 1] ?? 0);
}
