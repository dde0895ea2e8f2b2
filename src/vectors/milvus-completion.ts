import type { MilvusConnection } from './milvus-connection.js';
import { type FieldData, columnData } from './milvus-proto.js';
import { clampCosine, compareHits } from './records.js';
import type { CollectionSpec, Hit } from './store.js';

/** Matches of a filter that are compared with the query one by one at most: half a megabyte of vectors, a millisecond of arithmetic. */
const EXACT_ROWS = 1_000;

/** Completes results that a filter left short: `(hits [n], queries [n][dimension], limit, expression, signal)`. */
type Completion = (
  hits: Hit[][],
  queries: readonly Float32Array[],
  limit: number,
  expression: string,
  signal: AbortSignal | undefined,
) => Promise<Hit[][]>;

/**
 * Until rows are in the index of a sealed segment, Milvus searches a coarse temporary one (`queryNode.segcore.interimIndex`), which under a narrow
 * filter finds a part of the matches alone: 4 of 50 among 10,000 fresh rows. So a result that is shorter than it could be is made anew from the
 * matches themselves, where they are few enough. A filter with no more matches than were found costs one query for their ids.
 */
export function createCompletion(
  connection: MilvusConnection,
  { name, dimension }: CollectionSpec,
): Completion {
  return async (hits, queries, limit, expression, signal) => {
    if (hits.every(({ length }) => length >= limit)) return hits;
    const matches = async (field: string): Promise<readonly FieldData[]> => {
      const query_params = [{ key: 'limit', value: String(EXACT_ROWS + 1) }];
      const output_fields = field === 'id' ? ['id'] : ['id', field];
      const { fields_data: columns } = await connection.query(
        { collection_name: name, expr: expression, output_fields, query_params },
        { signal },
      );
      return columns;
    };
    const count = idsOf(await matches('id')).length;
    const short = hits.some(({ length }) => length < Math.min(limit, count));
    if (!short || count > EXACT_ROWS) return hits;
    const columns = await matches('vector');
    const ids = idsOf(columns);
    const floats = columns.find(({ vectors }) => vectors !== undefined)?.vectors?.float_vector?.data ?? [];
    return hits.map((found, at) => {
      const query = queries[at];
      if (query === undefined || found.length >= Math.min(limit, count)) return found;
      return ids
        .map((id, row): Hit => ({ id, score: cosine(query, floats, row * dimension) }))
        .sort(compareHits)
        .slice(0, limit);
    });
  };
}

function idsOf(columns: readonly FieldData[]): readonly string[] {
  return columnData(columns, 'id')?.scalars?.string_data?.data ?? [];
}

/** Cosine of `query` and the vector that begins at `start`. */
function cosine(query: Float32Array, floats: readonly number[], start: number): number {
  let [dot, squares, querySquares] = [0, 0, 0];
  for (const [at, value] of query.entries()) {
    const other = floats[start + at] ?? 0;
    dot += value * other;
    squares += other * other;
    querySquares += value * value;
  }
  return clampCosine(dot / Math.sqrt(squares * querySquares));
}
