import { setTimeout as sleep } from 'node:timers/promises';
import type { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { KindredError } from '../errors.js';
import type { MilvusConnection } from './milvus-connection.js';
import { checkStatus } from './milvus-fault.js';

/** How often the progress of loading is asked for, in ms. */
const POLL_MS = 100;

/** Whether there is a collection `name`. By the list of all: hasCollection of Milvus Lite finds everything. */
export async function isThere(client: MilvusClient, name: string): Promise<boolean> {
  const { status, data } = await client.showCollections();
  checkStatus(status);
  return data.some((collection) => collection.name === name);
}

/** Resolves when the collection is in memory. */
export async function loaded(connection: MilvusConnection, name: string, limit: number): Promise<void> {
  const until = performance.now() + limit;
  let progress = '0';
  while (performance.now() < until) {
    progress = await connection.sdk('reading the progress of loading', async (client) => {
      const answer = await client.getLoadingProgress({ collection_name: name });
      checkStatus(answer.status);
      return answer.progress;
    });
    if (progress === '100') return;
    await sleep(POLL_MS);
  }
  throw new KindredError(
    'UPSTREAM_UNAVAILABLE',
    `the vector store has not loaded the collection yet (${progress} %)`,
    { retryAfterMs: 5_000 },
  );
}
