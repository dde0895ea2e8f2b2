import { setTimeout as sleep } from 'node:timers/promises';
import { KindredError } from '../errors.js';
import type { MilvusConnection } from './milvus-connection.js';
import { checkStatus } from './milvus-fault.js';

/** How often the progress of loading is asked for, in ms. */
const POLL_MS = 100;

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
