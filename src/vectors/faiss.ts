import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KindredError } from '../errors.js';
import { createFaissCollection, FAISS_CAPABILITIES } from './faiss-collection.js';
import { createFaissFiles } from './faiss-files.js';
import { type FaissCollectionIndex, createFaissIndex } from './faiss-index.js';
import { PACKAGE_NEEDED } from './faiss-native.js';
import type { FaissOptions } from './faiss-options.js';
import { createLanceDbStore } from './lancedb.js';
import { type LanceDbOptions, unavailable } from './lancedb-common.js';
import { createOpenings } from './openings.js';
import type { VectorStore } from './store.js';

/**
 * A store in a folder of this machine: records in LanceDB tables, as the store lancedb has them, neighbours by FAISS in a thread of its own. An
 * index follows its table, so what is acknowledged survives what LanceDB survives, and an index that is lost is made anew.
 */
export function createFaissStore(
  options: FaissOptions & Pick<LanceDbOptions, 'refineFactor' | 'textLanguage'>,
): VectorStore {
  const tables = createLanceDbStore({
    ...options,
    folder: join(options.folder, 'records'),
    indexFromRows: Infinity,
  });
  const indexes = new Map<string, FaissCollectionIndex>();
  const folderOf = (name: string): string => join(options.folder, 'indexes', name);
  const close = async (name: string): Promise<void> => {
    await indexes.get(name)?.close();
    indexes.delete(name);
  };
  const openings = createOpenings(async (spec) => {
    const table = await tables.open(spec);
    const index = createFaissIndex(table, createFaissFiles(folderOf(spec.name)), options);
    // Whatever is wrong with the package is said now, not by the first search.
    await unavailable('loading the index', () => index.status().catch(orPackageNeeded));
    indexes.set(spec.name, index);
    return createFaissCollection(table, index, options);
  });
  return {
    name: 'faiss',
    capabilities: FAISS_CAPABILITIES,
    open: (spec) => openings.open(spec),
    list: () => tables.list(),
    drop: async (name) => {
      openings.forget(name);
      await close(name);
      await tables.drop(name);
      await unavailable('dropping an index', () => rm(folderOf(name), { recursive: true, force: true }));
    },
    check: () => tables.check(),
    close: async () => {
      openings.clear();
      for (const name of [...indexes.keys()]) await close(name);
      await tables.close();
    },
  };
}

function orPackageNeeded(error: unknown): never {
  if (error instanceof Error && error.message === PACKAGE_NEEDED)
    throw new KindredError('UPSTREAM_UNAVAILABLE', PACKAGE_NEEDED, { cause: error.cause });
  throw error;
}
