import type { Item } from '../catalogue/item.js';
import { idParts, inOrder } from './ids.js';
import type { MilvusConnection, ReadOptions } from './milvus-connection.js';
import { idIn } from './milvus-filter.js';
import type { ItemColumns } from './milvus-items.js';
import { type FieldData, columnData } from './milvus-proto.js';
import type { Collection, CollectionSpec, Projection } from './store.js';

/** Ids in one expression. */
export const IDS_A_QUERY = 1_000;
/** Reads that follow a write of the same caller, e.g. of an import: they see everything acknowledged before. */
const STRONG: ReadOptions = { consistency: 'Strong' };

/** The reads by id of a collection. */
interface Reads extends Pick<Collection, 'vectors' | 'hashes'> {
  fetch(ids: readonly string[], projection: Projection): Promise<(Item | null)[]>;
  /** Those of `ids` that are there. */
  there(ids: readonly string[]): Promise<string[]>;
}

/** Reads by queries for the columns that are asked for and no others. */
export function createReads(
  connection: MilvusConnection,
  { name, dimension }: CollectionSpec,
  items: ItemColumns,
): Reads {
  /** Rows by id, each as the reader that `open` makes of the columns of an answer reads it. */
  const rows = async <T>(
    ids: readonly string[],
    columns: readonly string[],
    open: (data: readonly FieldData[]) => (id: string, row: number) => T,
    reads?: ReadOptions,
  ): Promise<Map<string, T>> => {
    const found = new Map<string, T>();
    for (const part of idParts(ids, IDS_A_QUERY)) {
      const { fields_data: data } = await connection.query(
        {
          collection_name: name,
          expr: idIn(part),
          output_fields: ['id', ...columns],
          query_params: [],
        },
        reads,
      );
      const read = open(data);
      const keys = columnData(data, 'id')?.scalars?.string_data?.data ?? [];
      for (const [row, id] of keys.entries()) found.set(id, read(id, row));
    }
    return found;
  };

  const fetch = async (ids: readonly string[], projection: Projection): Promise<(Item | null)[]> => {
    const found = await rows(ids, items.names(projection), (data) => {
      const read = items.reader(data, projection);
      return (id, row) => read(id, row)?.();
    });
    const long = ids.filter((id) => found.has(id) && found.get(id) === undefined);
    const whole = (long.length === 0 ? [] : await fetch(long, 'all')).values();
    return ids.map((id) => (found.has(id) ? (found.get(id) ?? whole.next().value ?? null) : null));
  };

  return {
    fetch,
    there: async (ids) => [...(await rows(ids, [], () => () => true, STRONG)).keys()],
    vectors: async (ids) =>
      inOrder(
        ids,
        await rows(ids, ['vector'], (data) => {
          const floats = columnData(data, 'vector')?.vectors?.float_vector?.data ?? [];
          return (_id, row) => Float32Array.from(floats.slice(row * dimension, (row + 1) * dimension));
        }),
      ),
    hashes: async (ids) =>
      inOrder(
        ids,
        await rows(
          ids,
          ['hash'],
          (data) => {
            const hashes = columnData(data, 'hash')?.scalars?.string_data?.data ?? [];
            return (_id, row) => hashes[row] ?? '';
          },
          STRONG,
        ),
      ),
  };
}
