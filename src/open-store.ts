import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from './config.js';
import { createFaissStore } from './vectors/faiss.js';
import { createLanceDbStore } from './vectors/lancedb.js';
import { createMemoryStore } from './vectors/memory.js';
import { createMilvusStore } from './vectors/milvus.js';
import type { MilvusOptions } from './vectors/milvus-options.js';
import { createPineconeStore } from './vectors/pinecone.js';
import type { VectorStore } from './vectors/store.js';

/** Opens the vector store that the config names. */
export function openStore(config: Config, log?: Logger): VectorStore {
  const store = openAdapter(config, log);
  const maxQueries = Math.min(store.capabilities.maxQueries, config.store.batchQueries);
  return { ...store, capabilities: { ...store.capabilities, maxQueries } };
}

function openAdapter({ data, store }: Config, log: Logger | undefined): VectorStore {
  switch (store.adapter) {
    case 'memory':
      return createMemoryStore();
    case 'milvus':
      return createMilvusStore({
        ...store.milvus,
        textLanguage: store.textLanguage,
        ...watched('milvus', log),
      });
    case 'pinecone':
      return createPineconeStore({ ...store.pinecone, ...watched('pinecone', log) });
    case 'faiss':
      return createFaissStore({ folder: join(data, 'faiss'), ...store, ...store.faiss });
    case 'lancedb':
      return createLanceDbStore({ folder: join(data, 'lancedb'), ...store });
  }
}

/** Logs when a store goes away and when it is back. */
function watched(store: string, log: Logger | undefined): Pick<MilvusOptions, 'onAway' | 'onBack'> {
  return {
    onAway: (reason) => log?.error({ store, reason }, 'vector store away'),
    onBack: () => log?.info({ store }, 'vector store answers again'),
  };
}
