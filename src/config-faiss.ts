import { z } from 'zod';
import { count } from './config-values.js';
import { FAISS_FACTORY } from './vectors/faiss-options.js';

/** Settings of `store.faiss`. */
export const faissSchema = z
  .strictObject({
    package: z
      .string()
      .min(1)
      .default('faiss-node')
      .describe('The package faiss-node, or the folder of one that you have built.'),
    factory: z
      .string()
      .regex(FAISS_FACTORY, 'expected Flat, HNSW<M>, or IVF<lists> with ,Flat ,SQ8 or ,PQ<parts>')
      .default('HNSW32')
      .describe(
        "FAISS' index factory string: `Flat`, `HNSW32`, `IVF1024,Flat`, `IVF1024,SQ8`, `IVF1024,PQ48`. Another one takes effect when the index is next built, e.g. by an import.",
      ),
    probes: count.default(32).describe('Lists of an IVF index that a search reads (`nprobe`).'),
    candidates: count.default(128).describe('Vectors that a search looks at, at least; `efSearch` of HNSW.'),
    maxCandidates: count
      .default(1_000)
      .describe(
        'Candidates that a search with a filter takes from the index at most. A filter that is too narrow for that compares its matches themselves.',
      ),
  })
  .prefault({});
