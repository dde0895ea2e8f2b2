import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.js';
import { type Bucket, openBucket } from './bucket.js';
import { readBundle } from './bundle.js';
import { isRemote, readRemote } from './remote.js';

/** Where the bundles of versions come from. */
export interface BundleSource {
  /** The folder of a version on this machine, fetched when it has to be. Rejects when there is none that could be loaded. */
  folderOf(id: string): Promise<string>;
  /** Names that came up and may be versions; where they are looked for costs something, that is done only every now and then. */
  list(): Promise<string[]>;
  close(): void;
}

/** The folder of a config, and its bucket where it has one. */
export function openBundles({ models, data }: Pick<Config, 'models' | 'data'>): BundleSource {
  const { url } = models.bucket;
  const local = createFolderSource(models.folder);
  if (url === null) return local;
  return createMirror(local, openBucket({ ...models.bucket, url }), join(data, 'bundles'), {
    pollMs: models.bucket.pollMs,
  });
}

function createFolderSource(folder: string): BundleSource {
  return {
    folderOf: (id) => Promise.resolve(join(folder, id)),
    list: async () =>
      (await readdir(folder, { withFileTypes: true }))
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name),
    close: () => undefined,
  };
}

/**
 * Keeps bundles of a bucket in a folder of this machine, where those of `local` are not. A bundle is taken in whole, once all its files have the size
 * and digest that its model.json says; so half of one that is just being put into the bucket is refused, and what was fetched once needs no bucket.
 */
function createMirror(
  local: BundleSource,
  bucket: Bucket,
  mirror: string,
  { pollMs }: { readonly pollMs: number },
): BundleSource {
  const underway = new Map<string, Promise<string>>();
  let next = 0;

  const fetchInto = async (id: string): Promise<string> => {
    const folder = join(mirror, id);
    await mkdir(mirror, { recursive: true });
    const part = await mkdtemp(join(mirror, '.part-'));
    try {
      const fresh = join(part, id);
      await bucket.fetch(id, fresh);
      await readBundle(fresh);
      await rename(fresh, folder).catch((error: unknown) => {
        // Another process of this machine was first.
        if (!existsSync(folder)) throw error;
      });
      return folder;
    } finally {
      await rm(part, { recursive: true, force: true });
    }
  };

  return {
    folderOf: async (id) => {
      const own = await local.folderOf(id);
      if (existsSync(own)) return own;
      const folder = join(mirror, id);
      if (existsSync(folder)) return folder;
      const fetched = underway.get(id) ?? fetchInto(id).finally(() => underway.delete(id));
      underway.set(id, fetched);
      return fetched;
    },
    list: async () => {
      const names = new Set(await local.list());
      if (performance.now() >= next) {
        next = performance.now() + pollMs;
        for (const name of await bucket.list()) names.add(name);
      }
      return [...names];
    },
    close: () => {
      bucket.close();
    },
  };
}

/** Rejects when there is no model of this name that could be loaded. */
export async function checkModel(id: string, bundles: Pick<BundleSource, 'folderOf'>): Promise<void> {
  const folder = await bundles.folderOf(id);
  await (isRemote(folder) ? readRemote(folder) : readBundle(folder));
}
