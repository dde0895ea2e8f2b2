import { execFileSync } from 'node:child_process';
import { packageRoot } from '../src/package-root.js';
import type { FaissOptions } from '../src/vectors/faiss-options.js';
import { createFaissStore } from '../src/vectors/faiss.js';
import type { VectorStore } from '../src/vectors/store.js';

const folder = execFileSync(process.execPath, [packageRoot('deploy/scripts/faiss-node.mjs'), '--existing'], {
  encoding: 'utf8',
}).trim();

/** Why tests on FAISS are skipped; undefined when they can run. In CI a missing package is an error. */
export function skipFaiss(): string | undefined {
  if (folder !== '') return undefined;
  const reason = 'it needs: node deploy/scripts/faiss-node.mjs';
  if (process.env.CI === 'true') throw new Error(`expected a package faiss-node; ${reason}`);
  return reason;
}

/** Folder of the package. */
export function faissPackage(): string {
  return folder;
}

/** Opens a store in a folder, with the real FAISS. */
export function openFaiss(at: string, over: Partial<FaissOptions> = {}): VectorStore {
  return createFaissStore({
    folder: at,
    package: folder,
    factory: 'HNSW32',
    probes: 32,
    candidates: 128,
    maxCandidates: 1_000,
    refineFactor: 3,
    refreshMs: 0,
    ...over,
  });
}
