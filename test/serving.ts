import { loadConfig } from '../src/config.js';
import type { Embedder } from '../src/embedding/embedder.js';
import { createLocalEmbedder } from '../src/embedding/local.js';
import { createOnnxPool } from '../src/embedding/onnx/pool.js';
import { readBundle } from '../src/models/bundle.js';
import { noTelemetry } from '../src/telemetry.js';

/** Serves the bundle in `folder` from one worker while `use` runs. */
export async function serving<Result>(
  folder: string,
  use: (embedder: Embedder) => Promise<Result>,
): Promise<Result> {
  const telemetry = noTelemetry();
  // Pinned, so that nothing is measured before the first text.
  const pins = { maxBatchTexts: '32', maxBatchTokens: '512', runTokens: '512', threads: '1' };
  const flags = Object.fromEntries(Object.entries(pins).map(([key, value]) => [`embedding.${key}`, value]));
  const config = loadConfig({ env: {}, flags });
  const pool = createOnnxPool({ config: config.embedding, telemetry });
  try {
    const bundle = await readBundle(folder);
    return await use(await createLocalEmbedder({ bundle, pool, config, telemetry }));
  } finally {
    await pool.close();
  }
}
