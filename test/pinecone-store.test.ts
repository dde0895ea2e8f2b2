import { afterAll, beforeAll, describe } from 'vitest';
import { createPineconeStore } from '../src/vectors/pinecone.js';
import { describeFilterProperties } from './conformance/filter-properties.js';
import { describeScan } from './conformance/scan.js';
import { type StoreUnderTest } from './conformance/harness.js';
import { describeVectorStore } from './conformance/vector-store.js';
import type { ModelServer } from './model-server.js';
import { startPineconeServer } from './pinecone-server.js';

describe.each([false, true])('a server of the Pinecone API (negation fits missing: %s)', (fitsMissing) => {
  let servers: ModelServer[];
  beforeAll(async () => {
    servers = await Promise.all(
      [8, 4, 16].map((dimension) => startPineconeServer({ dimension, negationFitsMissing: fitsMissing })),
    );
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
  });

  const store = (): StoreUnderTest => ({
    open: () =>
      createPineconeStore({
        apiKey: 'test-key',
        hosts: servers.map(({ url }) => url),
        timeoutMs: 20_000,
        writeTimeoutMs: 20_000,
        concurrency: 32,
      }),
  });
  describeVectorStore('pinecone', store);
  describeScan('pinecone', store);
  describeFilterProperties('pinecone', store);
});
