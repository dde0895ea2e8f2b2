import type { EmbedBench } from './embed-common.js';
import { loadConfig } from '../../src/config.js';
import { createLocalEmbedder } from '../../src/embedding/local.js';
import { createOnnxPool } from '../../src/embedding/onnx/pool.js';
import { readBundle } from '../../src/models/bundle.js';
import { packageRoot } from '../../src/package-root.js';
import { noTelemetry } from '../../src/telemetry.js';
import { median } from './median.js';
import { report } from './report.js';

const TEXTS = Number(process.env.BENCH_TEXTS ?? 1_000_000);
/** As many as an import hands over at once. */
const CALL = 2_048;

/** A million texts through the bulk lane of v1 in this process: its resident memory in the last tenth against the second. */
export async function benchBulk({ texts }: Pick<EmbedBench, 'texts'>): Promise<void> {
  const config = loadConfig({ env: {}, flags: {} });
  const telemetry = noTelemetry();
  const pool = createOnnxPool({ config: config.embedding, telemetry });
  const bundle = await readBundle(packageRoot('deploy/models/v1'));
  const embedder = await createLocalEmbedder({ bundle, pool, config, telemetry });
  const tenths: number[] = [];
  const started = performance.now();
  let failed = 0;
  try {
    for (let tenth = 0; tenth < 10; tenth += 1) {
      const resident: number[] = [];
      for (let done = 0; done < TEXTS / 10; done += CALL) {
        const call = Array.from({ length: CALL }, texts.short);
        const outcomes = await embedder.embed(call, { purpose: 'document', lane: 'bulk' });
        failed += outcomes.filter((outcome) => outcome instanceof Error).length;
        resident.push(process.memoryUsage.rss());
      }
      tenths.push(median(resident));
    }
  } finally {
    await embedder.close();
    await pool.close();
  }
  report({
    bench: 'embed',
    name: `${TEXTS} texts through the bulk lane, v1: resident memory of the last tenth`,
    value: (tenths.at(-1) ?? NaN) / 1e6,
    unit: 'MB',
    // The first tenth holds the warm-up.
    baseline: (tenths[1] ?? NaN) / 1e6,
    against: 'the second tenth',
    target: 'ratio 0.95 to 1.05',
    tenthsMB: tenths.map((bytes) => Math.round(bytes / 1e6)),
    textsPerSecond: Math.round(TEXTS / ((performance.now() - started) / 1000)),
    failed,
  });
}
