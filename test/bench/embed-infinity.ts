import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../src/package-root.js';
import { freePort } from '../daemon.js';
import { pythonOf } from '../python.js';
import { type EmbedBench, embedBody } from './embed-common.js';
import { type Load, load } from './load.js';
import { report } from './report.js';

/** Infinity takes most of a minute to start. */
const START_MS = 180_000;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);

/** Infinity with onnxruntime on one thread, as Kindred has here: the same weights, v2's graph up to the pooling. */
export async function benchInfinity({ server, texts }: EmbedBench): Promise<void> {
  const python = pythonOf('infinity');
  if (python === undefined) {
    console.error(
      'skipped: Infinity is not installed (node deploy/scripts/python-env.mjs infinity; some GB)',
    );
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'kindred-infinity-'));
  const home = join(folder, 'model');
  const port = await freePort();
  let child: ChildProcess | undefined;
  try {
    execFileSync(python, [
      packageRoot('test/python/infinity_folder.py'),
      packageRoot('deploy/models/v2'),
      home,
    ]);
    const options = ['--engine', 'optimum', '--device', 'cpu', '--no-model-warmup', '--port', String(port)];
    child = spawn(join(dirname(python), 'infinity_emb'), ['v2', '--model-id', home, ...options], {
      stdio: 'ignore',
      env: { ...process.env, HF_HUB_OFFLINE: '1', DO_NOT_TRACK: '1', OMP_NUM_THREADS: '1' },
    });
    const peer = { url: `http://127.0.0.1:${port}`, pid: child.pid ?? 0 };
    await ready(peer.url, child);
    for (const connections of [1, 16, 64]) {
      const common = { connections, seconds: SECONDS };
      const body = (): string => JSON.stringify({ model: 'model', input: [texts.short()] });
      const asked = { ...common, path: '/embeddings', body };
      await load(peer, { ...asked, seconds: 2 });
      const theirs = await load(peer, asked);
      const ours = await load(server, { ...common, path: '/embed/v2', body: () => embedBody(texts.short()) });
      report({
        bench: 'embed',
        name: `texts of 4-12 words, ${connections} connections`,
        value: 1_000 / ours.cpuMs,
        unit: 'texts/CPU-s',
        baseline: 1_000 / theirs.cpuMs,
        against: 'Infinity 0.0.78 (optimum, onnxruntime), the same weights',
        kindred: summary(ours),
        infinity: summary(theirs),
      });
    }
  } finally {
    if (child?.exitCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  }
}

function summary({ rps, p50, p95, cpuMs, errors, refused }: Load): Record<string, number> {
  return {
    rps: Math.round(rps),
    p50Ms: p50,
    p95Ms: p95,
    cpuMs: Number(cpuMs.toPrecision(3)),
    failed: errors + refused,
  };
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  const end = performance.now() + START_MS;
  while (performance.now() < end) {
    if (child.exitCode !== null) throw new Error(`Infinity exited with ${child.exitCode}`);
    const answer = await fetch(`${url}/health`).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(500);
  }
  throw new Error(`Infinity was not ready within ${START_MS} ms`);
}
