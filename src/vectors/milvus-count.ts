import type { MilvusConnection } from './milvus-connection.js';
import { toNumber } from './milvus-proto.js';

/** Rows of `collection` that match `expression` ('' for all), every write that was acknowledged before included. */
export async function countRows(
  connection: MilvusConnection,
  collection: string,
  expression: string,
): Promise<number> {
  const { fields_data: columns } = await connection.query(
    { collection_name: collection, expr: expression, output_fields: ['count(*)'], query_params: [] },
    { consistency: 'Strong' },
  );
  return toNumber(columns[0]?.scalars?.long_data?.data[0] ?? 0);
}
