import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLanceDbStore } from '../src/vectors/lancedb.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import { describeFilterProperties } from './conformance/filter-properties.js';
import { describeLexicalSearch } from './conformance/lexical.js';
import { describeScan } from './conformance/scan.js';
import { describeVectorStore } from './conformance/vector-store.js';

describeVectorStore('memory', () => {
  const store = createMemoryStore();
  return { open: () => store };
});

const lancedb = (over: { indexFromRows: number; exactUpToFloats?: number }) => () => {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-lancedb-'));
  return {
    open: () => createLanceDbStore({ folder, refineFactor: 3, refreshMs: 0, ...over }),
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

describeVectorStore('lancedb without an index', lancedb({ indexFromRows: 1_000_000 }));
describeVectorStore('lancedb with an exact index', lancedb({ indexFromRows: 100 }));
describeVectorStore('lancedb with an HNSW index', lancedb({ indexFromRows: 100, exactUpToFloats: 0 }));

describeLexicalSearch('lancedb', lancedb({ indexFromRows: 1_000_000 }));

const memory = createMemoryStore();
describeFilterProperties('memory', () => ({ open: () => memory }));
describeFilterProperties('lancedb', lancedb({ indexFromRows: 1_000_000 }));
describeFilterProperties('lancedb with indexes', lancedb({ indexFromRows: 10 }));

describeScan('memory', () => ({ open: () => memory }));
describeScan('lancedb', lancedb({ indexFromRows: 50 }));
