import { setTimeout as sleep } from 'node:timers/promises';
import type { QuerySegmentInfo } from '@zilliz/milvus2-sdk-node';
import { KindredError } from '../errors.js';
import type { MilvusConnection } from './milvus-connection.js';
import { checkStatus } from './milvus-fault.js';

/** Rows of a segment from which Milvus builds an index; smaller ones are scanned (`indexCoord.segment.minSegmentNumRowsToEnableIndex`). */
const INDEXED_FROM_ROWS = 1_024;
/** How often the state is asked for, in ms. */
const POLL_MS = 200;

/**
 * Resolves when searches of `collection` go through the index: every row that was written out is in it, and the query nodes have taken the
 * sealed segments in place of the growing ones, whose temporary index loses results under a filter. Some 10 s by a server's defaults.
 */
export async function handedOver(
  connection: MilvusConnection,
  collection: string,
  limitMs: number,
): Promise<void> {
  const until = performance.now() + limitMs;
  while (performance.now() < until) {
    if (await isHandedOver(connection, collection)) return;
    await sleep(POLL_MS);
  }
  throw new KindredError('UPSTREAM_UNAVAILABLE', 'the vector store did not finish its index in time');
}

function isHandedOver(connection: MilvusConnection, collection: string): Promise<boolean> {
  return connection.sdk('reading the state of the index', async (client) => {
    const index = await client.describeIndex({ collection_name: collection, field_name: 'vector' });
    checkStatus(index.status);
    const built = index.index_descriptions.every(
      // Counts are texts, whatever their type says.
      ({ state, pending_index_rows: rows }) => state === 'Finished' && Number(rows) === 0,
    );
    if (!built) return false;
    const loaded = await client.getQuerySegmentInfo({ collectionName: collection });
    // Milvus Lite has no query nodes to ask.
    if ((loaded as Partial<typeof loaded>).status === undefined) return true;
    checkStatus(loaded.status);
    const written = await client.getPersistentSegmentInfo({ collectionName: collection });
    checkStatus(written.status);
    // A FLAT index is the vectors themselves; no segment names it.
    const scanned = index.index_descriptions.some(({ params }) =>
      params.some(({ value }) => value === 'FLAT'),
    );
    const isReady = ({ state, num_rows: rows, index_name: name }: QuerySegmentInfo): boolean =>
      String(state) === 'Sealed' && (scanned || name !== '' || rows < INDEXED_FROM_ROWS);
    const ready = new Set(loaded.infos.filter(isReady).map(({ segmentID: id }) => id));
    // For a second or so after a flush, the query nodes name no segment at all, neither the old ones nor the new.
    return (
      loaded.infos.every((segment) => segment.num_rows < 1 || isReady(segment)) &&
      written.infos.every(
        ({ segmentID: id, state, num_rows: rows }) =>
          String(state) !== 'Flushed' || rows < 1 || ready.has(id),
      )
    );
  });
}
