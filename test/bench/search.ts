import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/package-root.js';
import { DATA, readRows } from './data.js';
import { runCli, startServer } from '../server-process.js';
import { openBenchStore } from './bench-store.js';
import { eventLoopDelayMs, load } from './load.js';
import { report } from './report.js';

const graphql = { path: '/graphql', seconds: Number(process.env.BENCH_SECONDS ?? 10) };
const QUERY = `query Bench($text: String!, $version: ID) {
  search(query: $text, first: 10, modelVersion: $version) { edges { score node { id title brand price } } }
}`;

/**
 * `npm run bench -- search [milvus|faiss]`: one server process over chorus, autocannon at 1 and 16 connections. Uncached queries are 2 to 5 words of
 * product titles, each asked once; cached ones are 50 of them again and again. The baseline is `{ __typename }` on the same
 * server. CPU time is that of the gateway and of Milvus.
 */
export async function benchSearch([adapter = 'lancedb']: readonly string[]): Promise<void> {
  const store = await openBenchStore(adapter);
  if (store === undefined) return;
  const folder = process.env.BENCH_DATA ?? (await mkdtemp(join(tmpdir(), 'kindred-bench-')));
  const flags = {
    data: folder,
    'catalogue.file': packageRoot('deploy/sample/chorus.catalogue.yaml'),
    'log.level': 'info',
    ...store.settings,
  };
  const settings = Object.entries(flags).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const products = await readRows<{ title: string }>(`${DATA}/chorus/products.jsonl.gz`);
  const words = [...new Set(products.flatMap(({ title }) => title.toLowerCase().match(/[a-z]{3,}/g) ?? []))];
  console.error('importing chorus into both versions ...');
  await runCli(['import', `${DATA}/chorus/products.jsonl.gz`, ...settings]);
  const running = await startServer({ ...flags, 'log.level': 'info' });
  const server = { ...running, others: store.pids };
  try {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const unique = (): string =>
      Array.from({ length: 2 + random(4) }, () => words[random(words.length)] ?? '').join(' ');
    const repeated = Array.from({ length: 50 }, unique);
    const cases: [string, (version: string) => string, string[]][] = [
      ['uncached', unique, ['v2', 'v1']],
      ['cached', () => repeated[random(repeated.length)] ?? '', ['v2']],
    ];
    for (const connections of [1, 16]) {
      const floor = await load(server, {
        ...graphql,
        connections,
        body: () => JSON.stringify({ query: '{ __typename }' }),
      });
      for (const [name, text, versions] of cases) {
        for (const version of versions) {
          const body = (): string =>
            JSON.stringify({ query: QUERY, variables: { text: text(version), version } });
          // A first short round fills caches and warms the compiler; it also resets the event loop's delay.
          await load(server, { ...graphql, connections, body, seconds: 2 });
          await eventLoopDelayMs(server);
          const figure = await load(server, { ...graphql, connections, body });
          report({
            bench: 'search',
            name: `${adapter}: ${name} ${version}, ${connections} connection${connections === 1 ? '' : 's'}`,
            value: figure.cpuMs,
            unit: 'CPU ms/request',
            baseline: floor.cpuMs,
            against: '{ __typename }',
            rps: Math.round(figure.rps),
            p50Ms: figure.p50,
            p95Ms: figure.p95,
            errors: figure.errors,
            eventLoopDelayP99Ms: await eventLoopDelayMs(server),
          });
        }
      }
    }
  } finally {
    await server.stop();
    await store.close();
    if (process.env.BENCH_DATA === undefined) await rm(folder, { recursive: true, force: true });
  }
}
