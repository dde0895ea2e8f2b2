import { spawnSync } from 'node:child_process';
import { packageRoot } from '../../src/package-root.js';
import { pythonOf } from '../python.js';
import { type EmbedBench, embedBody } from './embed-common.js';
import { load } from './load.js';
import { report } from './report.js';

/** The same ONNX file in Python's onnxruntime, with Python's tokenizers, sorted, batches of 32, on one thread. */
export async function benchPeers({ server, bare, texts }: EmbedBench): Promise<void> {
  const python = pythonOf('onnxruntime');
  if (python === undefined) {
    console.error(
      'skipped: Python onnxruntime is not installed (node deploy/scripts/python-env.mjs onnxruntime)',
    );
    return;
  }
  const sample = Array.from({ length: 3_000 }, texts.short);
  const { status, stdout, stderr } = spawnSync(
    python,
    [packageRoot('test/bench/python-onnxruntime.py'), packageRoot('deploy/models/v2')],
    { input: JSON.stringify(sample), encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (status !== 0) throw new Error(`Python onnxruntime failed: ${stderr.slice(-500)}`);
  const peer = JSON.parse(stdout) as { cpu: number; version: string };
  const through = await load(server, {
    path: '/embed/v2',
    connections: 64,
    seconds: 10,
    body: () => embedBody(texts.short()),
  });
  const { cpu } = await bare.loop(
    sample.map(bare.encode).sort((a, b) => a.length - b.length),
    32,
  );
  const baseline = sample.length / peer.cpu;
  const against = `Python onnxruntime ${peer.version}, the same file`;
  report({
    bench: 'embed',
    name: 'texts of 4-12 words, 64 connections',
    value: 1_000 / through.cpuMs,
    unit: 'texts/CPU-s',
    baseline,
    against,
  });
  report({
    bench: 'embed',
    name: 'bare onnxruntime-node',
    value: sample.length / cpu,
    unit: 'texts/CPU-s',
    baseline,
    against,
  });
}
