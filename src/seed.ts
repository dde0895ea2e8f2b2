import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ImportProgress, importFiles } from './catalogue/import.js';
import type { Domain } from './main.js';
import { packageRoot } from './package-root.js';

export interface SeedOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ImportProgress) => void;
}

/**
 * Imports the seed files into every version that has never been seeded, on a first start or after a new version came. A marker file
 * remembers that it was done to its end, so a start that was killed half way goes on, and what users delete later stays deleted.
 */
export async function seed(domain: Domain, { signal, onProgress }: SeedOptions): Promise<void> {
  const { itemCatalogue: catalogue, config, log, registry, store, telemetry } = domain;
  const files = seedFiles(config.catalogue);
  const marker = join(config.data, 'seeded.json');
  const done = new Set(store.capabilities.persistent ? readMarker(marker) : []);
  const targets = registry
    .served()
    // What came into a rollout is filled by its backfill.
    .filter(
      ({ version, collection }) =>
        config.models.versions.includes(version.id) && !done.has(collection.spec.name),
    )
    .map(({ version, embedder, collection, catalogue: own }) => ({
      id: version.id,
      embedder,
      collection,
      catalogue: own,
    }));
  if (files.length === 0 || targets.length === 0) return;
  const summary = await importFiles({
    files,
    catalogue,
    targets,
    config,
    telemetry,
    dataFolder: config.data,
    signal,
    onProgress,
  });
  if (signal.aborted) return;
  if (store.capabilities.persistent) {
    mkdirSync(config.data, { recursive: true });
    writeFileSync(
      marker,
      JSON.stringify([...done, ...targets.map(({ collection }) => collection.spec.name)]),
    );
  }
  log.info({ files: files.length, rows: summary.read, rejected: summary.rejected }, 'seeded the catalogue');
}

/** The configured seed files; a sample catalogue brings its own. */
function seedFiles({ file, seed }: Domain['config']['catalogue']): readonly string[] {
  if (seed.length > 0 || file !== packageRoot('deploy/sample/catalogue.yaml')) return seed;
  return [join(dirname(file), 'products.jsonl')];
}

function readMarker(path: string): string[] {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as string[]) : [];
}
