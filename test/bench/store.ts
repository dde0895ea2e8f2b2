import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConsistencyLevelEnum, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { loadConfig } from '../../src/config.js';
import { openDomain } from '../../src/main.js';
import type { Collection } from '../../src/vectors/store.js';
import { cpuSeconds, startServer } from '../server-process.js';
import { type BenchStore, openBenchStore } from './bench-store.js';
import { load, percentile } from './load.js';
import { report } from './report.js';
import {
  clusteredVectors,
  fill,
  manyVectors,
  recall,
  reportFilled,
  requestBodies,
  storeFlags,
} from './store-data.js';

const ROWS = Number(process.env.BENCH_STORE_ROWS ?? 20_000);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const CONNECTIONS = [1, 16, 64];
const IDLE_MS = 5_000;
const STORES = ['milvus', 'lancedb', 'faiss'];
/**
 * `npm run bench -- store [milvus] [lancedb] [faiss]`: vectors in clusters, top 10 with three properties through GraphQL by a vector that the client
 * gives, each asked once. CPU time is that of the gateway and, where it is one, the store's own process.
 */
export async function benchStore(parts: readonly string[]): Promise<void> {
  for (const adapter of parts.length === 0 ? STORES : parts) {
    const store = await openBenchStore(adapter);
    if (store === undefined) continue;
    try {
      await onStore(adapter, store);
    } finally {
      await store.close();
    }
  }
}

async function onStore(adapter: string, { settings, pids }: BenchStore): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-bench-'));
  const flags = storeFlags(folder, settings);
  const near = clusteredVectors(11);
  const vectors = manyVectors(near, ROWS);
  try {
    const domain = await openDomain(loadConfig({ env: {}, flags }));
    try {
      const { collection } = domain.registry.resolve('v2');
      reportFilled(adapter, ROWS, await fill(collection, vectors));
      report({
        bench: 'store',
        name: `${adapter}: recall@10`,
        value: await recall(collection, vectors, near),
        unit: 'share',
        target: adapter === 'milvus' ? '>= 0.99' : '>= 0.98',
      });
      const address = settings['store.milvus.address'];
      if (address !== undefined) await ownCall(address, collection, near);
    } finally {
      await domain.close();
    }
    if (pids.length > 0) await idle(adapter, pids);
    const figures: Record<string, Awaited<ReturnType<typeof measure>>> = {};
    for (const batchQueries of ['64', '1'])
      figures[batchQueries] = await measure({ ...flags, 'store.batchQueries': batchQueries }, pids, near);
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

/** What the store's own process uses while nobody asks: it is in the CPU time of every request. */
async function idle(adapter: string, pids: readonly number[]): Promise<void> {
  const used = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = used();
  await sleep(IDLE_MS);
  const value = (used() - before) / (IDLE_MS / 1_000);
  report({ bench: 'store', name: `${adapter}: CPU while nobody asks`, value, unit: 'cores' });
}

/** The SDK's own search of ten hits with their properties, one at a time: what the gateway's median is compared with. */
async function ownCall(address: string, { spec }: Collection, near: () => Float32Array): Promise<void> {
  const client = new MilvusClient({ address, telemetry: { enabled: false } });
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
      output_fields: ['id', 'item_title', 'item_brand', 'item_price'],
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
  pids: readonly number[],
  near: () => Float32Array,
): Promise<Map<number, Awaited<ReturnType<typeof load>>>> {
  const server = await startServer({ ...flags, 'log.level': 'info' });
  const body = requestBodies(near);
  const figures = new Map<number, Awaited<ReturnType<typeof load>>>();
  try {
    const target = { ...server, others: pids };
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
