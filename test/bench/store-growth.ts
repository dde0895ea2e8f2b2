import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config.js';
import { openDomain } from '../../src/main.js';
import { residentMB, startServer } from '../server-process.js';
import { openBenchStore } from './bench-store.js';
import { load } from './load.js';
import { report } from './report.js';
import { clusteredVectors, fill, manyVectors, recall, requestBodies, storeFlags } from './store-data.js';

/** Rows of each store, the first being what the others are compared with. */
const ROWS = (process.env.BENCH_GROWTH_ROWS ?? '20000,1000000').split(',').map(Number);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const CONNECTIONS = [1, 16];
const STORES = ['milvus', 'lancedb'];

/** What a store of one size came to, by the name of the figure. */
type Figures = Readonly<Record<string, { readonly value: number; readonly unit: string }>>;

/**
 * `npm run bench -- store-growth [milvus] [lancedb] [faiss]`: how writing, memory, latency and recall grow from 20,000 to 1,000,000 vectors, each
 * figure beside the same of the smaller store. Takes the better part of an hour, 16 GB of memory and 10 GB of disk.
 */
export async function benchStoreGrowth(parts: readonly string[]): Promise<void> {
  for (const adapter of parts.length === 0 ? STORES : parts) {
    let smaller: Figures | undefined;
    for (const rows of ROWS) {
      const figures = await ofSize(adapter, rows);
      if (figures === undefined) break;
      for (const [name, { value, unit }] of Object.entries(figures))
        report({
          bench: 'store-growth',
          name: `${adapter}: ${name}`,
          rows,
          value,
          unit,
          baseline: smaller?.[name]?.value,
          against: smaller === undefined ? undefined : `${String(ROWS[0])} rows`,
        });
      smaller ??= figures;
    }
  }
}

async function ofSize(adapter: string, rows: number): Promise<Figures | undefined> {
  const store = await openBenchStore(adapter);
  if (store === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'kindred-bench-'));
  try {
    return await measure(storeFlags(folder, store.settings), store.pids, rows);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(
  flags: Record<string, string>,
  pids: readonly number[],
  rows: number,
): Promise<Figures> {
  const near = clusteredVectors(11);
  const found = await filled(flags, near, rows);
  const server = await startServer({ ...flags, 'log.level': 'info' });
  const figures: Record<string, { value: number; unit: string }> = { ...found };
  try {
    const body = requestBodies(near);
    const target = { ...server, others: pids };
    for (const connections of CONNECTIONS) {
      const options = { path: '/graphql', connections, body };
      await load(target, { ...options, seconds: 3 });
      const { p50, p95, cpuMs, errors } = await load(target, { ...options, seconds: SECONDS });
      const at = `${String(connections)} connections`;
      figures[`p50, ${at}`] = { value: p50, unit: 'ms' };
      figures[`p95, ${at}`] = { value: p95, unit: 'ms' };
      figures[`CPU, ${at}`] = { value: cpuMs, unit: 'CPU ms/request' };
      figures[`errors, ${at}`] = { value: errors, unit: 'requests' };
    }
    figures['memory of the gateway'] = { value: residentMB(server.pid), unit: 'MB' };
    for (const pid of pids) figures['memory of the server'] = { value: residentMB(pid), unit: 'MB' };
  } finally {
    await server.stop();
  }
  return figures;
}

/** Fills the store with `rows` vectors and looks how many of the nearest a search finds. */
async function filled(
  flags: Record<string, string>,
  near: () => Float32Array,
  rows: number,
): Promise<Figures> {
  const domain = await openDomain(loadConfig({ env: {}, flags }));
  try {
    const { collection } = domain.registry.resolve('v2');
    const vectors = manyVectors(near, rows);
    const { rowsPerSecond, indexSeconds } = await fill(collection, vectors);
    const share = await recall(collection, vectors, near);
    return {
      write: { value: rowsPerSecond, unit: 'rows/s' },
      'building the index': { value: indexSeconds, unit: 's' },
      'recall@10': { value: share, unit: 'share' },
    };
  } finally {
    await domain.close();
  }
}
