import { z } from 'zod';
import { count } from './config-values.js';

/** Settings of `store.pinecone`. */
export const pineconeSchema = z
  .strictObject({
    apiKey: z.string().min(1).nullable().default(null).describe('API key of the project.'),
    hosts: z
      .array(z.string().min(1))
      .default([])
      .describe(
        "Hosts of the indexes, as Pinecone's console shows them: serverless, metric cosine, one for each dimension that the models have. Each version gets namespaces of its own in the index of its dimension.",
      ),
    timeoutMs: count.default(5_000).describe('Time a search or another read may take, in ms.'),
    writeTimeoutMs: count.default(60_000).describe('Time a write may take, in ms.'),
    concurrency: count.default(32).describe('Calls to Pinecone under way at most; more wait.'),
  })
  .prefault({});
