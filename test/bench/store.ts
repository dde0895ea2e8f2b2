import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConsistencyLevelEnum, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { loadConfig } from '../../src/config.js';
import { openDomain } from '../../src/main.js';
import type { Collection, VectorRecord } from '../../src/vectors/store.js';
import { type Milvus, skipMilvus, startMilvus } from '../milvus.js';
import { startServer } from '../server-process.js';
import { load, percentile } from './load.js';
import { report } from './report.js';

const DIMENSION = 384;
const ROWS = Number(process.env.BENCH_STORE_ROWS ?? 20_000);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const CONNECTIONS = [1, 16, 64];
const CATALOGUE = `
entity: Product
template: '{title}'
fields:
  title: { type: string, uses: [search] }
  brand: { type: string, uses: [filter] }
  price: { type: float, uses: [filter] }
`;
const QUERY = `query Bench($vector: Vector!) {
  recommend(like: [{ vector: $vector }], first: 10) { edges { score node { id title brand price } } }
}`;

/**
 * `npm run bench -- store [milvus] [lancedb]`: vectors in clusters, top 10 with three properties through GraphQL by a vector that the client
 * gives, each asked once. CPU time is that of the gateway and, where it is one, the store's own process.
 */
export async function benchStore(parts: readonly string[]): Promise<void> {
  const chosen = (name: string): boolean => parts.length === 0 || parts.includes(name);
  if (chosen('milvus')) {
    const skip = skipMilvus();
    if (skip === undefined) await onMilvus();
    else console.error(`skipped milvus: ${skip}`);
  }
  if (chosen('lancedb')) await onStore('lancedb', {}, undefined);
}

async function onMilvus(): Promise<void> {
  const milvus = await startMilvus();
  try {
    await onStore('milvus', { 'store.milvus.address': milvus.address }, milvus);
  } finally {
    await milvus.close();
  }
}

async function onStore(
  adapter: string,
  settings: Readonly<Record<string, string>>,
  milvus: Milvus | undefined,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-bench-'));
  const catalogue = join(folder, 'catalogue.yaml');
  writeFileSync(catalogue, CATALOGUE);
  const flags = {
    data: folder,
    'catalogue.file': catalogue,
    'models.versions': 'v2',
    'store.adapter': adapter,
    'log.level': 'warn',
    ...settings,
  };
  const random = randomNumbers(11);
  const centres = Array.from({ length: 200 }, () => unit(random));
  const near = (): Float32Array => {
    const centre = centres[Math.floor(random() * centres.length)] ?? new Float32Array(DIMENSION);
    return normalised(unit(random).map((value, at) => 0.6 * value + (centre[at] ?? 0)));
  };
  const vectors = Array.from({ length: ROWS }, near);
  try {
    const domain = await openDomain(loadConfig({ env: {}, flags }));
    try {
      await fill(adapter, domain.registry.resolve('v2').collection, vectors);
      await recall(adapter, domain.registry.resolve('v2').collection, vectors, near);
      if (milvus !== undefined) await ownCall(milvus, domain.registry.resolve('v2').collection, near);
    } finally {
      await domain.close();
    }
    const figures: Record<string, Awaited<ReturnType<typeof measure>>> = {};
    for (const batchQueries of ['64', '1'])
      figures[batchQueries] = await measure({ ...flags, 'store.batchQueries': batchQueries }, milvus, near);
    for (const connections of CONNECTIONS) {
      const [on, off] = [figures['64']?.get(connections), figures['1']?.get(connections)];
      if (on === undefined || off === undefined) continue;
      const name = `${adapter}, ${String(connections)} connections`;
      const detail = { p50Ms: on.p50, p95Ms: on.p95, errors: on.errors };
      const against = 'the same gateway with store.batchQueries 1';
      report({
        bench: 'store',
        name: `${name}: batchingSpeedup`,
        value: on.rps,
        unit: 'requests/s',
        baseline: off.rps,
        against,
        target: adapter === 'milvus' && connections === 16 ? '>= 3' : undefined,
        ...detail,
      });
      report({
        bench: 'store',
        name: `${name}: CPU`,
        value: on.cpuMs,
        unit: 'CPU ms/request',
        baseline: off.cpuMs,
        against,
        target: connections === 16 ? (adapter === 'milvus' ? '<= 0.8 CPU ms' : '<= 1.3 CPU ms') : undefined,
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes all vectors, with three properties each. */
async function fill(
  adapter: string,
  collection: Collection,
  vectors: readonly Float32Array[],
): Promise<void> {
  const started = performance.now();
  for (let from = 0; from < vectors.length; from += 2_000) {
    const records = vectors.slice(from, from + 2_000).map((vector, at): VectorRecord => {
      const number = from + at;
      const fields = {
        title: `Product number ${String(number)}`,
        brand: `brand ${String(number % 50)}`,
        price: number / 7,
      };
      return { item: { id: `p${String(number)}`, fields }, vector, hash: `h${String(number)}` };
    });
    await collection.upsert(records);
  }
  const written = performance.now();
  await collection.optimize();
  report({
    bench: 'store',
    name: `${adapter}: write`,
    value: vectors.length / ((written - started) / 1_000),
    unit: 'rows/s',
    rows: vectors.length,
    indexSeconds: (performance.now() - written) / 1_000,
  });
}

/** Recall of the ten nearest of 100 queries against a scan of all vectors. */
async function recall(
  adapter: string,
  collection: Collection,
  vectors: readonly Float32Array[],
  near: () => Float32Array,
): Promise<void> {
  let found = 0;
  const queries = Array.from({ length: 100 }, near);
  for (const query of queries) {
    const scores = vectors.map((vector, at) => ({ at, score: dot(vector, query) }));
    const exact = new Set(
      scores
        .sort((a, b) => b.score - a.score)
        .slice(0, 10)
        .map(({ at }) => `p${String(at)}`),
    );
    const [hits = []] = await collection.search([query], { limit: 10 });
    found += hits.filter(({ id }) => exact.has(id)).length;
  }
  report({
    bench: 'store',
    name: `${adapter}: recall@10`,
    value: found / (queries.length * 10),
    unit: 'share',
    target: adapter === 'milvus' ? '>= 0.99' : '>= 0.98',
  });
}

/** The SDK's own search of ten hits with their item, one at a time: what the gateway's median is compared with. */
async function ownCall(milvus: Milvus, { spec }: Collection, near: () => Float32Array): Promise<void> {
  const client = new MilvusClient({ address: milvus.address, telemetry: { enabled: false } });
  await client.connectPromise;
  const times: number[] = [];
  for (let turn = 0; turn < 500; turn += 1) {
    const data = Array.from(near());
    const started = performance.now();
    await client.search({
      collection_name: spec.name,
      anns_field: 'vector',
      data,
      limit: 10,
      output_fields: ['id', 'item'],
      params: { ef: 128 },
      consistency_level: ConsistencyLevelEnum.Bounded,
    });
    if (turn >= 100) times.push(performance.now() - started);
  }
  await client.closeConnection();
  times.sort((a, b) => a - b);
  report({
    bench: 'store',
    name: "milvus: the SDK's own call, p50",
    value: percentile(times, 0.5),
    unit: 'ms',
    p95Ms: percentile(times, 0.95),
  });
}

async function measure(
  flags: Readonly<Record<string, string>>,
  milvus: Milvus | undefined,
  near: () => Float32Array,
): Promise<Map<number, Awaited<ReturnType<typeof load>>>> {
  const server = await startServer({ ...flags, 'log.level': 'info' });
  const bodies = Array.from({ length: 4_000 }, () => bodyOf(near()));
  // Asked a second time a query is in the cache of windows: each round changes a number of the vector.
  let turn = 0;
  const body = (): string => {
    turn += 1;
    return turn <= bodies.length ? (bodies[turn - 1] ?? '') : bodyOf(near());
  };
  const figures = new Map<number, Awaited<ReturnType<typeof load>>>();
  try {
    const target = { ...server, others: milvus === undefined ? [] : [milvus.pid] };
    for (const connections of CONNECTIONS) {
      const options = { path: '/graphql', connections, body };
      await load(target, { ...options, seconds: 2 });
      figures.set(connections, await load(target, { ...options, seconds: SECONDS }));
    }
  } finally {
    await server.stop();
  }
  return figures;
}

function bodyOf(vector: Float32Array): string {
  const base64 = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
  return JSON.stringify({ query: QUERY, variables: { vector: base64 } });
}

/** Numbers from 0 to 1, the same each run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function unit(random: () => number): Float32Array {
  return normalised(Float32Array.from({ length: DIMENSION }, () => random() + random() + random() - 1.5));
}

function normalised(vector: Float32Array): Float32Array {
  const norm = Math.sqrt(dot(vector, vector));
  return vector.map((value) => value / norm);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}
