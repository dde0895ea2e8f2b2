import { join } from 'node:path';
import type { EmbeddingCache } from '../cache/tiers.js';
import type { Config } from '../config.js';
import { createLocalEmbedder } from '../embedding/local.js';
import type { OnnxPool } from '../embedding/onnx/pool.js';
import { createRemoteEmbedder } from '../embedding/remote/index.js';
import type { Telemetry } from '../telemetry.js';
import { readBundle } from './bundle.js';
import type { LoadedModel } from './registry.js';
import { isRemote, readRemote } from './remote.js';

/** What models are made with. */
export interface LoadingNeeds {
  readonly cache: EmbeddingCache | undefined;
  readonly config: Config;
  readonly pool: OnnxPool;
  readonly telemetry: Telemetry;
}

/** Loads the model of a version: a bundle, or one on another server. Rejects with what is wrong with its folder. */
export async function loadModel(
  id: string,
  { cache, config, pool, telemetry }: LoadingNeeds,
): Promise<LoadedModel> {
  const folder = join(config.models.folder, id);
  if (isRemote(folder)) {
    const remote = await readRemote(folder);
    return {
      name: remote.manifest.name,
      embedder: await createRemoteEmbedder({ remote, config, cache, telemetry }),
    };
  }
  const read = await readBundle(folder);
  // A version is called as its folder is: the same model may serve twice, e.g. with another text template.
  const bundle = { ...read, manifest: { ...read.manifest, id } };
  return {
    name: bundle.manifest.name,
    embedder: await createLocalEmbedder({ bundle, pool, config, cache, telemetry }),
  };
}

/** Rejects when a folder holds no model that could be loaded. */
export async function checkModel(folder: string): Promise<void> {
  await (isRemote(folder) ? readRemote(folder) : readBundle(folder));
}
