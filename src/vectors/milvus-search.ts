import type { MilvusConnection } from './milvus-connection.js';
import { searchParams } from './milvus-index.js';
import type { MilvusIndex } from './milvus-options.js';
import type { ItemColumns } from './milvus-items.js';
import { type SearchResults, toNumber } from './milvus-proto.js';
import { WORDS } from './milvus-schema.js';
import { pastTies } from './past-ties.js';
import { clampCosine, compareHits } from './records.js';
import type { Hit, Projection } from './store.js';

/** Hits fetched beyond the limit, so that equals at its edge are told apart by id; few, since each brings its item along. */
const SPARE = 4;
/** The same for words, where more records have the same score. */
const TEXT_SPARE = 64;
/** Most hits that Milvus gives a query. */
export const MAX_HITS = 16_384;

/** Finds the nearest rows of each query: `(queries [n][dimension], limit, expression)`. */
type Nearest = (
  queries: readonly Float32Array[],
  limit: number,
  expression: string,
  more: { readonly items?: Projection; readonly signal?: AbortSignal },
) => Promise<Hit[][]>;

/** Where key, vector and items are. */
interface SearchedFields {
  readonly key: string;
  readonly vector: string;
  readonly items: ItemColumns;
}

/** Searches all queries in one call. */
export function createNearest(
  connection: MilvusConnection,
  collection: string,
  index: MilvusIndex,
  { key, vector, items: columns }: SearchedFields,
): Nearest {
  const run: Nearest = async (queries, limit, expression, { items = [], signal }) => {
    const answer = await connection.search(
      {
        collection_name: collection,
        queries,
        dsl: expression,
        output_fields: [key, ...columns.names(items)],
        search_params: [
          { key: 'anns_field', value: vector },
          { key: 'metric_type', value: 'COSINE' },
          { key: 'topk', value: String(limit) },
          { key: 'params', value: JSON.stringify(searchParams(index, limit)) },
          { key: 'round_decimal', value: '-1' },
        ],
      },
      { signal },
    );
    const read = items.length === 0 ? undefined : columns.reader(answer.results?.fields_data ?? [], items);
    return split(answer, queries.length, clampCosine, read);
  };

  return (queries, limit, expression, more) =>
    pastTies(limit, { spare: SPARE, growth: 8, most: MAX_HITS }, (asked) =>
      run(queries, asked, expression, more),
    );
}

/** Finds the rows whose words fit a query best: `(query, limit, expression, signal)`. */
type Matches = (
  query: string,
  limit: number,
  expression: string,
  signal: AbortSignal | undefined,
) => Promise<Hit[]>;

/** Searches by words: Milvus makes a sparse vector of the query as of the texts, and scores by BM25. The query has no syntax. */
export function createMatches(connection: MilvusConnection, collection: string): Matches {
  return async (query, limit, expression, signal) => {
    // Of a text without a letter or digit nothing is left to search for, which Milvus takes for a fault.
    if (!/[\p{L}\p{N}]/u.test(query)) return [];
    const answer = await connection.search(
      {
        collection_name: collection,
        queries: [query],
        dsl: expression,
        output_fields: ['id'],
        search_params: [
          { key: 'anns_field', value: WORDS },
          { key: 'metric_type', value: 'BM25' },
          { key: 'topk', value: String(Math.min(MAX_HITS, limit + TEXT_SPARE)) },
          { key: 'params', value: '{}' },
          { key: 'round_decimal', value: '-1' },
        ],
      },
      { signal },
    );
    const [hits = []] = split(answer, 1, (score) => score);
    return hits.slice(0, limit);
  };
}

/** Ids and scores of all queries follow one another, as do the fields of the items. */
function split(
  { results }: SearchResults,
  queries: number,
  scale: (score: number) => number,
  read?: ReturnType<ItemColumns['reader']>,
): Hit[][] {
  const ids = results?.ids?.str_id?.data ?? results?.ids?.int_id?.data.map(String) ?? [];
  const scores = results?.scores ?? [];
  let from = 0;
  return Array.from({ length: queries }, (_, query) => {
    const count = toNumber(results?.topks[query] ?? 0);
    const hits: Hit[] = [];
    for (let at = from; at < from + count; at += 1) {
      const [id, score] = [ids[at] ?? '', scale(scores[at] ?? NaN)];
      const item = read?.(id, at);
      hits.push(item === undefined ? { id, score } : { id, score, item });
    }
    from += count;
    return hits.sort(compareHits);
  });
}
