#!/usr/bin/env node
// Image to image on the grocery photographs: each photograph from a shop searches the studio image of its product. One JSON line.
// usage: node deploy/models/evaluate-images.mjs [BUNDLE]   (default efficientnet; after `npm run build`)
// KINDRED_DATA: the folder that holds grocery/ (default ../shared/data beside the repository).
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../dist/src/config.js';
import { createImageReader } from '../../dist/src/embedding/image/source.js';
import { createLocalEmbedder } from '../../dist/src/embedding/local.js';
import { createOnnxPool } from '../../dist/src/embedding/onnx/pool.js';
import { readBundle } from '../../dist/src/models/bundle.js';
import { packageRoot } from '../../dist/src/package-root.js';
import { noTelemetry } from '../../dist/src/telemetry.js';

const version = process.argv[2] ?? 'efficientnet';
const grocery = join(process.env.KINDRED_DATA ?? packageRoot('../shared/data'), 'grocery');
if (!existsSync(grocery)) {
  console.error(`${grocery} is not there: skipped`);
  process.exit(0);
}
const linesOf = (name) =>
  readFileSync(join(grocery, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const flags = { 'images.enabled': 'true', 'images.maxQueueImages': '1024', 'embedding.threads': String(availableParallelism()) };
const config = loadConfig({ env: {}, flags });
const telemetry = noTelemetry();
const pool = createOnnxPool({ config: config.embedding, telemetry });
const embedder = await createLocalEmbedder({
  bundle: await readBundle(packageRoot(`deploy/models/${version}`)),
  pool,
  config,
  telemetry,
});
const reader = createImageReader({ limits: config.images });

async function vectorsOf(names) {
  const sources = await Promise.all(
    names.map((name) => reader.read({ base64: readFileSync(join(grocery, name)).toString('base64') })),
  );
  const outcomes = await embedder.embedImages(sources, { purpose: 'document' });
  return outcomes.map((outcome) => {
    if (!outcome.vector) throw outcome;
    return outcome.vector;
  });
}

const dot = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);
const products = linesOf('products.jsonl');
const photographs = linesOf('natural.jsonl');
const studio = await vectorsOf(products.map(({ iconic }) => iconic));
const [started, cpu] = [performance.now(), process.cpuUsage()];
const natural = await vectorsOf(photographs.map(({ image }) => image));
const { user, system } = process.cpuUsage(cpu);
const seconds = (performance.now() - started) / 1000;

const ranks = natural.map((vector, at) => {
  const own = products.findIndex(({ id }) => id === photographs[at].class);
  const scores = studio.map((other) => dot(vector, other));
  return scores.filter((score) => score > scores[own]).length;
});
const hit = (k) => Number((ranks.filter((rank) => rank < k).length / ranks.length).toFixed(4));
console.log(
  JSON.stringify({
    model: version,
    data: 'grocery',
    photographs: natural.length,
    products: studio.length,
    'hit@1': hit(1),
    'hit@5': hit(5),
    chance: { 'hit@1': Number((1 / studio.length).toFixed(4)), 'hit@5': Number((5 / studio.length).toFixed(4)) },
    imagesPerSecond: Math.round(natural.length / seconds),
    cpuMsAnImage: Number(((user + system) / 1000 / natural.length).toFixed(1)),
  }),
);
await embedder.close();
await pool.close();
