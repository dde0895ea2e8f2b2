import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { describeFilterProperties } from './conformance/filter-properties.js';
import { describeLexicalSearch } from './conformance/lexical.js';
import { describeScan } from './conformance/scan.js';
import { type StoreUnderTest } from './conformance/harness.js';
import { describeVectorStore } from './conformance/vector-store.js';
import { openFaiss, skipFaiss } from './faiss.js';

const skip = skipFaiss();

describe.skipIf(skip !== undefined)(`the real FAISS${skip === undefined ? '' : ` (${skip})`}`, () => {
  const store = (factory: string) => (): StoreUnderTest => {
    const folder = mkdtempSync(join(tmpdir(), 'kindred-faiss-'));
    return {
      open: () => openFaiss(folder, { factory }),
      remove: () => {
        rmSync(folder, { recursive: true, force: true });
      },
    };
  };
  for (const factory of ['Flat', 'HNSW32', 'IVF4,Flat', 'IVF4,SQ8'])
    describeVectorStore(`faiss with ${factory}`, store(factory));
  describeScan('faiss', store('HNSW32'));
  describeLexicalSearch('faiss', store('HNSW32'));
  describeFilterProperties('faiss', store('HNSW32'));
});
