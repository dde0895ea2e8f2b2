import type { Index, PineconeRecord } from '@pinecone-database/pinecone';
import { badInput, throwIfAborted } from '../errors.js';
import type { Item } from '../catalogue/item.js';
import { abortable } from './abortable.js';
import { FILTER_OPERATORS, type Filter } from './filter.js';
import { idParts, inOrder } from './ids.js';
import { pastTies } from './past-ties.js';
import type { PineconeConnection } from './pinecone-connection.js';
import { isMissing } from './pinecone-fault.js';
import { type PineconeFilter, compileFilter } from './pinecone-filter.js';
import { HASH, fromRecord, itemId, recordId, toItem, toRecord } from './pinecone-records.js';
import { checkQueries, checkRecords, clampCosine, compareHits, noLexicalSearch } from './records.js';
import { partsOf } from './parts.js';
import type { Collection, CollectionSpec, Hit, SearchOptions, StoreCapabilities } from './store.js';
import { typedFilter } from './typed-filter.js';

/** Limits of one call: https://docs.pinecone.io/reference/api/database-limits. */
const MAX_HITS = 10_000;
const MAX_HITS_WITH_ITEMS = 1_000;
const UPSERT_RECORDS = 1_000;
const UPSERT_BYTES = 1_900_000;
const DELETE_IDS = 1_000;
const LIST_IDS = 100;
/** Ids of one fetch: they stand in its URL, and are 512 characters at most. */
const FETCH_CHARACTERS = 6_000;
/** Hits fetched beyond the limit, so that equals at its edge are told apart by id. */
const SPARE = 16;

export const PINECONE_CAPABILITIES: StoreCapabilities = {
  filters: FILTER_OPERATORS,
  maxQueries: 64,
  merges: false,
  maxUpsert: 10_000,
  persistent: true,
  exact: false,
  lexical: false,
  aliases: false,
};

/** A collection in a namespace of the index at `host`. */
export function createPineconeCollection(
  connection: PineconeConnection,
  host: string,
  spec: CollectionSpec,
): Collection {
  const { name } = spec;
  const read = readerOf(connection, host, name);

  /** Records by the item's id, of those that are there. */
  const lookup = async (ids: readonly string[]): Promise<Map<string, PineconeRecord>> => {
    const found = new Map<string, PineconeRecord>();
    const records = await fetchRecords(read, [...new Set(ids)].map(recordId));
    for (const id of ids) {
      const record = records.get(recordId(id));
      if (record !== undefined) found.set(id, record);
    }
    return found;
  };

  const query = async (
    vector: Float32Array,
    topK: number,
    filter: PineconeFilter | undefined,
    items: boolean,
  ): Promise<Hit[]> => {
    const matches = await read('a search', [], async (index) => {
      const answer = await index.query({
        vector: Array.from(vector),
        topK,
        includeMetadata: items,
        includeValues: false,
        ...(filter === undefined ? {} : { filter }),
      });
      return answer.matches;
    });
    const unknown = items ? [] : matches.flatMap(({ id }) => (itemId(id) === undefined ? [id] : []));
    const records = await fetchRecords(read, unknown);
    const hits = matches.flatMap((match): Hit[] => {
      const score = clampCosine(match.score ?? NaN);
      if (items) return [{ id: toItem(match).id, score, item: () => toItem(match) }];
      const record = records.get(match.id);
      const id = itemId(match.id) ?? (record === undefined ? undefined : toItem(record).id);
      return id === undefined ? [] : [{ id, score }];
    });
    return hits.sort(compareHits);
  };

  const nearest = async (
    vector: Float32Array,
    limit: number,
    filter: PineconeFilter | undefined,
    wanted: boolean,
  ): Promise<Hit[]> => {
    const [hits = []] = await pastTies(limit, { spare: SPARE, growth: 8, most: MAX_HITS }, async (asked) => [
      await query(vector, asked, filter, wanted && asked <= MAX_HITS_WITH_ITEMS),
    ]);
    return hits;
  };

  const search = async (
    queries: readonly Float32Array[],
    { limit, filter, items = [] }: SearchOptions,
  ): Promise<Hit[][]> => {
    const compiled = filter === undefined ? true : compileFilter(typedFilter(filter, spec));
    if (compiled === false) return queries.map(() => []);
    const where = compiled === true ? undefined : compiled;
    return Promise.all(queries.map((vector) => nearest(vector, limit, where, items.length > 0)));
  };

  const count = async (filter: Filter | undefined): Promise<number> => {
    const compiled = filter === undefined ? true : compileFilter(typedFilter(filter, spec));
    if (compiled === false) return 0;
    if (compiled === true)
      return connection.read('counting', host, async (index) => {
        const { namespaces = {} } = await index.describeIndexStats();
        return namespaces[name]?.recordCount ?? 0;
      });
    // Serverless indexes count by no filter: the matches are counted, in whatever order.
    const matches = await query(
      Float32Array.from({ length: spec.dimension }).fill(1),
      MAX_HITS,
      compiled,
      false,
    );
    if (matches.length === MAX_HITS)
      throw badInput(`a filter can be counted on Pinecone up to ${String(MAX_HITS)} matches`);
    return matches.length;
  };

  return {
    spec,
    lexical: false,
    projects: false,
    fault: () => connection.away(),
    async upsert(records) {
      const made = checkRecords(records, spec, PINECONE_CAPABILITIES.maxUpsert).map((record) =>
        toRecord(record, spec),
      );
      for (const part of upsertParts(made))
        await connection.write('writing records', host, (index) =>
          index.namespace(name).upsert({ records: part }),
        );
    },
    async delete(ids) {
      // Pinecone does not tell how many were there.
      const there = [...(await lookup(ids)).keys()];
      for (const part of idParts(there.map(recordId), DELETE_IDS))
        await connection.write('deleting records', host, (index) =>
          index.namespace(name).deleteMany({ ids: part }).catch(whenMissing(undefined)),
        );
      return there.length;
    },
    async fetch(ids) {
      const found = await lookup(ids);
      return ids.map((id): Item | null => {
        const record = found.get(id);
        return record === undefined ? null : toItem(record);
      });
    },
    async vectors(ids) {
      const found = await lookup(ids);
      return inOrder(
        ids,
        new Map([...found].map(([id, { values = [] }]) => [id, Float32Array.from(values)] as const)),
      );
    },
    async hashes(ids) {
      const found = await lookup(ids);
      return inOrder(
        ids,
        new Map([...found].map(([id, { metadata = {} }]) => [id, String(metadata[HASH])] as const)),
      );
    },
    async search(queries, options) {
      checkQueries(queries, options.limit, spec, PINECONE_CAPABILITIES.maxQueries);
      if (options.limit > MAX_HITS)
        throw badInput(`a search of Pinecone gives ${String(MAX_HITS)} hits at most`);
      throwIfAborted(options.signal);
      return abortable(search(queries, options), options.signal);
    },
    searchText: () => Promise.reject(noLexicalSearch('pinecone', 'take lancedb, or milvus 2.5 and newer')),
    count,
    async *scan({ batch, after, signal }) {
      const behind = after === undefined ? undefined : recordId(after);
      for await (const ids of listIds(read)) {
        const wanted = behind === undefined ? ids : ids.filter((id) => id > behind);
        for (const part of idParts(wanted, batch)) {
          throwIfAborted(signal);
          const records = await fetchRecords(read, part);
          const found = part.flatMap((id) => {
            const record = records.get(id);
            return record === undefined ? [] : [fromRecord(record)];
          });
          if (found.length > 0) yield found;
        }
      }
    },
    async status() {
      return { rows: await count(undefined), index: 'READY', indexType: 'serverless' };
    },
    optimize: () => Promise.resolve(),
  };
}

/** Reads from the namespace of a collection; `missing` is the answer of one that is not there yet. */
type Read = <T>(what: string, missing: T, work: (index: Index) => Promise<T>) => Promise<T>;

function readerOf(connection: PineconeConnection, host: string, namespace: string): Read {
  return (what, missing, work) =>
    connection.read(what, host, (index) => work(index.namespace(namespace)).catch(whenMissing(missing)));
}

/** The first write makes a namespace: until then it is as good as empty. */
export function whenMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (isMissing(error)) return value;
    throw error;
  };
}

async function fetchRecords(read: Read, recordIds: readonly string[]): Promise<Map<string, PineconeRecord>> {
  const found = new Map<string, PineconeRecord>();
  const parts = await Promise.all(
    partsOf(recordIds, Infinity, FETCH_CHARACTERS, (id) => encodeURIComponent(id).length + 5).map((ids) =>
      read('reading records', {}, async (index) => (await index.fetch({ ids: [...ids] })).records),
    ),
  );
  for (const records of parts) for (const record of Object.values(records)) found.set(record.id, record);
  return found;
}

/** All ids of a namespace's records. */
export async function listRecordIds(
  connection: PineconeConnection,
  host: string,
  namespace: string,
): Promise<string[]> {
  const all: string[] = [];
  for await (const ids of listIds(readerOf(connection, host, namespace))) all.push(...ids);
  return all;
}

/** The same page by page, in the order that Pinecone lists them, which is that of their bytes. */
async function* listIds(read: Read): AsyncGenerator<string[]> {
  let paginationToken: string | undefined;
  do {
    const page = await read('listing the ids', undefined, (index) =>
      index.listPaginated({ limit: LIST_IDS, paginationToken }),
    );
    yield (page?.vectors ?? []).flatMap(({ id }) => id ?? []);
    paginationToken = page?.pagination?.next;
  } while (paginationToken !== undefined && paginationToken !== '');
}

/** Records in calls of a size that Pinecone takes. */
function upsertParts<T extends PineconeRecord & { values: number[] }>(records: readonly T[]): T[][] {
  const bytes = ({ values, metadata }: T): number =>
    values.length * 14 + Buffer.byteLength(JSON.stringify(metadata), 'utf8') + ID_OVERHEAD;
  return partsOf(records, UPSERT_RECORDS, UPSERT_BYTES, bytes);
}

/** Bytes of a record's id, at most, and of the punctuation around it. */
const ID_OVERHEAD = 600;
