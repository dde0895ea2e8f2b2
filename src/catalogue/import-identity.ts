import { resolve } from 'node:path';
import type { Catalogue } from './catalogue.js';
import { catalogueDigest, sha256 } from './hash.js';
import { ImportError } from './import-error.js';
import type { ImportTarget } from './import-target.js';
import { openSource } from './readers.js';

/** What makes two imports the same one. */
export interface ImportSubject {
  readonly files: readonly string[];
  readonly catalogue: Catalogue;
  readonly targets: readonly ImportTarget[];
  readonly rejectedFile?: string;
}

/** Checks every file before any work, and names this import: the same files, catalogue, models and dead-letter file resume one another. */
export async function identifyImport({
  files,
  catalogue,
  targets,
  rejectedFile,
}: ImportSubject): Promise<{ readonly fingerprint: string; readonly totalBytes: number }> {
  if (files.length === 0) throw new ImportError('expected at least one file to import, received none');
  const parts = [catalogueDigest(catalogue), rejectedFile === undefined ? '' : resolve(rejectedFile)];
  const paths = new Set<string>();
  let totalBytes = 0;
  for (const file of files) {
    const path = resolve(file);
    if (paths.has(path)) throw new ImportError(`${file}: expected each file once, received it twice`);
    if (rejectedFile !== undefined && resolve(rejectedFile) === path)
      throw new ImportError(`${file}: expected another file for rejected rows than for the import`);
    paths.add(path);
    const source = await openSource(file, 1);
    parts.push(path, await source.identity());
    totalBytes += source.size;
    await source.close();
  }
  for (const { id, embedder, collection } of targets)
    parts.push(id, embedder.model.digest, collection.spec.name);
  return { fingerprint: sha256(JSON.stringify(parts)), totalBytes };
}
