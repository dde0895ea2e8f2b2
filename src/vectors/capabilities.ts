import { FAISS_CAPABILITIES } from './faiss-collection.js';
import { LANCEDB_CAPABILITIES } from './lancedb-common.js';
import { MEMORY_CAPABILITIES } from './memory.js';
import { MILVUS_CAPABILITIES } from './milvus-collection.js';
import { PINECONE_CAPABILITIES } from './pinecone-collection.js';
import type { StoreCapabilities } from './store.js';

/** What each adapter can do, by the name that `store.adapter` has for it: the README's table is made from it. */
export const CAPABILITIES: Readonly<Record<string, StoreCapabilities>> = {
  lancedb: LANCEDB_CAPABILITIES,
  milvus: MILVUS_CAPABILITIES,
  faiss: FAISS_CAPABILITIES,
  pinecone: PINECONE_CAPABILITIES,
  memory: MEMORY_CAPABILITIES,
};
