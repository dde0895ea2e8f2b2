import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { performance as timing } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { loadConfig } from '../../src/config.js';
import { createLocalEmbedder } from '../../src/embedding/local.js';
import { startModelThread } from '../../src/embedding/onnx/model-thread.js';
import { createOnnxPool } from '../../src/embedding/onnx/pool.js';
import { devicesOf, parseProviders, workerCount } from '../../src/embedding/onnx/providers.js';
import type { BatchResult } from '../../src/embedding/runner.js';
import { type Bundle, readBundle } from '../../src/models/bundle.js';
import { packageRoot } from '../../src/package-root.js';
import { noTelemetry } from '../../src/telemetry.js';
import { report } from './report.js';
import { openTexts } from './texts.js';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 5);
/** What the pack16 graph reached in two workers on an H100, in texts/s: ../shared/facts/gpu.md. */
const SHAPES = [
  { texts: 32, length: 64, pack16: 83_000 },
  { texts: 128, length: 16, pack16: 246_000 },
  { texts: 128, length: 64, pack16: 136_000 },
  { texts: 512, length: 128, pack16: 92_000 },
];
/** Callers of short texts, each with so many at a time: enough that no stage ever waits for work. */
const CALLERS = 24;
const TEXTS_A_CALL = 256;

const provider = process.env.KINDRED_EMBEDDING_EXECUTION_PROVIDERS ?? 'cuda';

/**
 * `npm run bench -- embed-gpu [tokens|texts]`: v2 without the gateway around it, on CUDA or what KINDRED_EMBEDDING_EXECUTION_PROVIDERS names (with
 * `cpu` the same parts run, and mean little). `tokens`: from tokens to vectors. `texts`: from raw texts to vectors, and which stage limits it.
 */
export async function benchEmbedGpu(parts: readonly string[]): Promise<void> {
  const gpu = packageRoot('deploy/models/gpu');
  const folder = process.env.KINDRED_MODELS_FOLDER ?? (existsSync(gpu) ? gpu : packageRoot('deploy/models'));
  const config = loadConfig({
    env: {},
    flags: { 'embedding.executionProviders': provider, 'cache.adapter': 'none', 'models.folder': folder },
  });
  const bundle = await readBundle(join(config.models.folder, 'v2'));
  const all: Record<string, typeof benchTokens> = { tokens: benchTokens, texts: benchTexts };
  for (const part of parts.length > 0 ? parts : Object.keys(all)) {
    const bench = all[part];
    if (!bench) throw new Error(`expected a part of ${Object.keys(all).join(', ')}, but got ${part}`);
    try {
      await bench(bundle, config);
    } catch (error) {
      // Without a GPU there is nothing to measure; whoever has one must learn why it does not run.
      console.error(`skipped: ${error instanceof Error ? error.message : String(error)}`);
      if (provider !== 'cuda' || existsSync('/dev/nvidiactl')) process.exitCode = 1;
      return;
    }
  }
}

/** Session runs of one shape over and over in every worker, tensors made and output fetched. */
async function benchTokens(bundle: Bundle, { embedding }: ReturnType<typeof loadConfig>): Promise<void> {
  const devices = devicesOf(parseProviders(embedding.executionProviders));
  const thread = {
    url: pathToFileURL(packageRoot('dist/src/embedding/onnx/worker.js')),
    heapMb: embedding.workerHeapMb,
  };
  const threads = await Promise.all(
    Array.from({ length: Math.max(2, workerCount(embedding)) }, async (_, index) => {
      const worker = startModelThread(thread, () => undefined);
      const settings = {
        threads: embedding.intraOpThreads,
        spinning: embedding.spinning,
        providers: devices[index % devices.length] ?? [],
        fallback: false,
      };
      await worker.stand();
      try {
        await worker.load(bundle, settings, undefined);
      } catch (error) {
        await worker.close();
        throw error;
      }
      return worker;
    }),
  );
  for (const { texts, length, pack16 } of SHAPES) {
    const request = { type: 'measure', model: bundle.manifest.id, length, texts } as const;
    // The first runs of a shape are slow.
    for (const worker of threads) await worker.ask(request, 60_000);
    let done = 0;
    const start = performance.now();
    await Promise.all(
      threads.map(async (worker) => {
        while (performance.now() - start < SECONDS * 1_000) {
          await worker.ask(request, 60_000);
          done += texts;
        }
      }),
    );
    report({
      bench: 'embed-gpu',
      name: `tokens to vectors, ${texts} texts of ${length} tokens, ${threads.length} workers on ${provider}`,
      value: (done / (performance.now() - start)) * 1_000,
      unit: 'texts/s',
      baseline: pack16,
      against: 'the prototype of facts/gpu.md on an H100',
      target: 'ratio >= 0.9',
    });
  }
  await Promise.all(threads.map((worker) => worker.close()));
}

/** Raw short texts through tokenizer, batches and sessions, as an import has them. */
async function benchTexts(bundle: Bundle, config: ReturnType<typeof loadConfig>): Promise<void> {
  const telemetry = noTelemetry();
  const pool = createOnnxPool({ config: config.embedding, telemetry });
  const spent = { tokenizeMs: 0, sessionMs: 0 };
  const counted = {
    ...pool,
    runner: ((...args) => countRuns(pool.runner(...args), spent)) satisfies typeof pool.runner,
  };
  try {
    const large = {
      ...config.embedding,
      bulkBatchTokens: 32_768,
      maxQueueTexts: 16_384,
      maxQueueTokens: 1 << 20,
    };
    const embedder = await createLocalEmbedder({
      bundle,
      pool: counted,
      config: { ...config, embedding: large },
      telemetry,
    });
    const { short } = await openTexts();
    const sample = Array.from({ length: 100_000 }, short);
    let next = 0;
    let done = 0;
    const call = async (until: number): Promise<void> => {
      while (performance.now() < until) {
        const from = (next += TEXTS_A_CALL) % (sample.length - TEXTS_A_CALL);
        const texts = sample.slice(from, from + TEXTS_A_CALL);
        done += (await embedder.embed(texts, { purpose: 'document', lane: 'bulk' })).length;
      }
    };
    const calls = (until: number): Promise<unknown> =>
      Promise.all(Array.from({ length: CALLERS }, () => call(until)));
    await calls(performance.now() + 1_000);
    [done, spent.tokenizeMs, spent.sessionMs] = [0, 0, 0];
    const before = timing.eventLoopUtilization();
    const start = performance.now();
    await calls(start + SECONDS * 1_000);
    const wall = performance.now() - start;
    const workers = workerCount(config.embedding);
    const busy = {
      'main thread': timing.eventLoopUtilization(before).utilization,
      tokenizer: spent.tokenizeMs / (wall * workers),
      session: spent.sessionMs / (wall * workers),
    };
    report({
      bench: 'embed-gpu',
      name: `raw texts of 4-12 words to vectors, ${workers} workers on ${provider}`,
      value: (done / wall) * 1_000,
      unit: 'texts/s',
      target: '>= 100,000 on an H100',
      limitedBy: Object.entries(busy).sort(([, a], [, b]) => b - a)[0]?.[0],
      busy: Object.fromEntries(
        Object.entries(busy).map(([stage, share]) => [stage, Number(share.toFixed(3))]),
      ),
    });
    await embedder.close();
  } finally {
    await pool.close();
  }
}

/** A runner that adds up where its workers' time goes. */
function countRuns(
  runner: ReturnType<ReturnType<typeof createOnnxPool>['runner']>,
  spent: { tokenizeMs: number; sessionMs: number },
): typeof runner {
  const count = (result: BatchResult): BatchResult => {
    spent.tokenizeMs += result.tokenizeMs;
    for (const { start, end } of result.sessions) spent.sessionMs += end - start;
    return result;
  };
  return {
    ...runner,
    acquire: async (urgent) => {
      const slot = await runner.acquire(urgent);
      return { ...slot, run: async (texts, signal) => count(await slot.run(texts, signal)) };
    },
  };
}
