import type { EmbeddingCache } from '../cache/tiers.js';
import type { Config } from '../config.js';
import type { Embedder } from '../embedding/embedder.js';
import { createLocalEmbedder } from '../embedding/local.js';
import type { Tuning } from '../embedding/onnx/calibration.js';
import { type OnnxPool, createOnnxPool } from '../embedding/onnx/pool.js';
import { createRemoteEmbedder } from '../embedding/remote/index.js';
import type { Overload } from '../overload.js';
import type { Telemetry } from '../telemetry.js';
import { NICEST } from '../yield-cores.js';
import { type Bundle, readBundle } from './bundle.js';
import type { BundleSource } from './bundle-source.js';
import type { LoadedModel } from './registry.js';
import { isRemote, readRemote } from './remote.js';

/** What models are made with. */
export interface LoadingNeeds {
  readonly bundles: Pick<BundleSource, 'folderOf'>;
  readonly cache: EmbeddingCache | undefined;
  readonly config: Config;
  readonly overload?: Pick<Overload, 'lasts'>;
  readonly pool: OnnxPool;
  readonly telemetry: Telemetry;
}

/** Loads the model of a version: a bundle, or one on another server. Rejects with what is wrong with its folder. */
export async function loadModel(
  id: string,
  { bundles, cache, config, overload, pool, telemetry }: LoadingNeeds,
): Promise<LoadedModel> {
  const folder = await bundles.folderOf(id);
  if (isRemote(folder)) {
    const remote = await readRemote(folder);
    return {
      name: remote.manifest.name,
      embedder: await createRemoteEmbedder({ remote, config, cache, overload, telemetry }),
    };
  }
  const bundle = await readVersion(id, folder);
  return {
    name: bundle.manifest.name,
    embedder: await createLocalEmbedder({ bundle, pool, config, cache, overload, telemetry }),
  };
}

/**
 * Loads the bundle of a version once more, into a worker of its own that gets what requests leave of the cores: no request waits behind its texts.
 * `tuning` is what was measured when the version was loaded. Closing the embedder ends the worker.
 */
export async function loadAside(
  id: string,
  tuning: Tuning,
  { bundles, cache, config, telemetry }: Omit<LoadingNeeds, 'pool'>,
): Promise<Embedder> {
  const bundle = await readVersion(id, await bundles.folderOf(id));
  const { maxBatchTexts, maxBatchTokens, runTokens } = tuning;
  const embedding = {
    ...config.embedding,
    threads: 1,
    intraOpThreads: 1,
    maxBatchTexts,
    maxBatchTokens,
    runTokens,
  };
  const pool = createOnnxPool({ config: embedding, telemetry, nice: NICEST });
  try {
    const embedder = await createLocalEmbedder({
      bundle,
      pool,
      cache,
      telemetry,
      config: { ...config, embedding },
    });
    return {
      ...embedder,
      close: async () => {
        await embedder.close();
        await pool.close();
      },
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** A version is called as its folder is: the same model may serve twice, e.g. with another text template. */
async function readVersion(id: string, folder: string): Promise<Bundle> {
  const bundle = await readBundle(folder);
  return { ...bundle, manifest: { ...bundle.manifest, id } };
}
