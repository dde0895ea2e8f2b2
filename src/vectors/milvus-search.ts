import type { MilvusConnection } from './milvus-connection.js';
import type { MilvusIndex } from './milvus-options.js';
import { type SearchResults, toNumber } from './milvus-proto.js';
import { clampCosine, compareHits } from './records.js';
import type { Hit } from './store.js';

/** Hits fetched beyond the limit, so that equals at its edge are told apart by id. */
const SPARE = 16;
/** Most hits that Milvus gives a query. */
export const MAX_HITS = 16_384;

/** Finds the nearest rows of each query: `(queries [n][dimension], limit, expression)`. */
type Nearest = (
  queries: readonly Float32Array[],
  limit: number,
  expression: string,
  signal: AbortSignal | undefined,
) => Promise<Hit[][]>;

/** Searches all queries in one call. */
export function createNearest(connection: MilvusConnection, collection: string, index: MilvusIndex): Nearest {
  const run: Nearest = async (queries, limit, expression, signal) => {
    const answer = await connection.search(
      {
        collection_name: collection,
        queries,
        dsl: expression,
        output_fields: ['id'],
        search_params: [
          { key: 'anns_field', value: 'vector' },
          { key: 'metric_type', value: 'COSINE' },
          { key: 'topk', value: String(limit) },
          { key: 'params', value: JSON.stringify(searchParams(index, limit)) },
          { key: 'round_decimal', value: '-1' },
        ],
      },
      { signal },
    );
    return split(answer, queries.length);
  };

  // Asks for more until the last hit is farther than the one at the limit: then ids decide between all equals.
  return async (queries, limit, expression, signal) => {
    for (let spare = SPARE; ; spare *= 8) {
      const asked = Math.min(MAX_HITS, limit + spare);
      const results = await run(queries, asked, expression, signal);
      const cut = results.some(
        (hits) => hits.length === asked && hits[asked - 1]?.score === hits[limit - 1]?.score,
      );
      if (!cut || asked === MAX_HITS) return results.map((hits) => hits.slice(0, limit));
    }
  };
}

/** What the index is told: a graph has to be walked for at least as many candidates as hits are wanted. */
function searchParams({ type, searchParams: given }: MilvusIndex, limit: number): Record<string, unknown> {
  if (type === 'HNSW') return { ...given, ef: Math.max(Number(given.ef ?? 64), limit) };
  if (type === 'DISKANN') return { ...given, search_list: Math.max(Number(given.search_list ?? 16), limit) };
  return { ...given };
}

/** Ids and scores of all queries follow one another. */
function split({ results }: SearchResults, queries: number): Hit[][] {
  const ids = results?.ids?.str_id?.data ?? [];
  const scores = results?.scores ?? [];
  let from = 0;
  return Array.from({ length: queries }, (_, query) => {
    const count = toNumber(results?.topks[query] ?? 0);
    const hits: Hit[] = [];
    for (let at = from; at < from + count; at += 1) {
      hits.push({ id: ids[at] ?? '', score: clampCosine(scores[at] ?? NaN) });
    }
    from += count;
    return hits.sort(compareHits);
  });
}
