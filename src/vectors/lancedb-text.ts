import type { Table } from '@lancedb/lancedb';
import { MatchQuery } from '@lancedb/lancedb';
import type { RowIds } from './lancedb-row-ids.js';
import { TEXT_COLUMN } from './lancedb-rows.js';
import { compareHits } from './records.js';
import type { Hit } from './store.js';

/** Hits fetched beyond the limit, so that equals at its edge are told apart by id. */
const SPARE = 64;

/** Finds the rows whose words fit `query` best: `(query, limit, SQL filter)`. Rows that no index holds yet are read one by one. */
type Matches = (query: string, limit: number, where: string | undefined) => Promise<Hit[]>;

/** Lexical search of a table with a text column. A match query takes its text as words: there is no syntax to break out of. */
export function createMatches(table: Table, rowIds: RowIds): Matches {
  return async (query, limit, where) => {
    let search = table
      .query()
      .fullTextSearch(new MatchQuery(query, TEXT_COLUMN))
      .select(['id', '_score'])
      .limit(limit + SPARE)
      .withRowId();
    if (where !== undefined) search = search.where(where);
    const rows = await search.toArrow();
    const [ids, scores, numbers] = [rows.getChild('id'), rows.getChild('_score'), rows.getChild('_rowid')];
    const hits: Hit[] = [];
    for (let row = 0; row < rows.numRows; row += 1) {
      const id = String(ids?.get(row));
      hits.push({ id, score: Number(scores?.get(row)) });
      rowIds.set(id, numbers?.get(row) as bigint);
    }
    return hits.sort(compareHits).slice(0, limit);
  };
}
