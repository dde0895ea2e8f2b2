import { execFileSync } from 'node:child_process';
import { loadConfig } from '../src/config.js';
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

/** Options of a store in a folder, with the real FAISS. */
export function faissOptions(at: string): Parameters<typeof createFaissStore>[0] {
  const { faiss, refineFactor } = loadConfig({ env: {} }).store;
  return { ...faiss, refineFactor, folder: at, package: folder, refreshMs: 0 };
}

/** Opens such a store. */
export function openFaiss(at: string, over: Partial<FaissOptions> = {}): VectorStore {
  return createFaissStore({ ...faissOptions(at), ...over });
}
