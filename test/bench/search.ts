import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import { packageRoot } from '../../src/package-root.js';
import { DATA, readRows } from './data.js';
import { type RunningServer, cpuSeconds, runCli, startServer } from '../server-process.js';
import { report } from './report.js';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
const QUERY = `query Bench($text: String!, $version: ID) {
  search(query: $text, first: 10, modelVersion: $version) { edges { score node { id title brand price } } }
}`;

interface Load {
  readonly rps: number;
  readonly p50: number;
  readonly p95: number;
  readonly cpuMs: number;
  readonly errors: number;
}

/**
 * `npm run bench -- search`: one server process over chorus, autocannon at 1 and 16 connections. Uncached queries are 2 to 5 words of
 * product titles, each asked once; cached ones are 50 of them again and again. The baseline is `{ __typename }` on the same server.
 */
export async function benchSearch(): Promise<void> {
  const folder = process.env.BENCH_DATA ?? (await mkdtemp(join(tmpdir(), 'kindred-bench-')));
  const flags = {
    data: folder,
    'catalogue.file': packageRoot('deploy/sample/chorus.catalogue.yaml'),
    'log.level': 'info',
  };
  const settings = Object.entries(flags).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const products = await readRows<{ title: string }>(`${DATA}/chorus/products.jsonl.gz`);
  const words = [...new Set(products.flatMap(({ title }) => title.toLowerCase().match(/[a-z]{3,}/g) ?? []))];
  console.error('importing chorus into both versions ...');
  await runCli(['import', `${DATA}/chorus/products.jsonl.gz`, ...settings]);
  const server = await startServer({ ...flags, 'log.level': 'info' });
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
      const floor = await load(server, connections, () => JSON.stringify({ query: '{ __typename }' }));
      for (const [name, text, versions] of cases) {
        for (const version of versions) {
          const body = (): string =>
            JSON.stringify({ query: QUERY, variables: { text: text(version), version } });
          // A first short round fills caches and warms the compiler; it also resets the event loop's delay.
          await load(server, connections, body, 2);
          await eventLoopDelayMs(server);
          const figure = await load(server, connections, body);
          report({
            bench: 'search',
            name: `${name} ${version}, ${connections} connection${connections === 1 ? '' : 's'}`,
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
    if (process.env.BENCH_DATA === undefined) await rm(folder, { recursive: true, force: true });
  }
}

async function load(
  server: RunningServer,
  connections: number,
  body: () => string,
  seconds = SECONDS,
): Promise<Load> {
  const cpu = cpuSeconds(server.pid);
  const times: number[] = [];
  const options: autocannon.Options = {
    url: `${server.url}/graphql`,
    connections,
    duration: seconds,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    requests: [{ setupRequest: (request) => ({ ...request, body: body() }) }],
  };
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(options, (error: Error | null, done) => {
      if (error === null) resolve(done);
      else reject(error);
    });
    // autocannon's own percentiles have no 95th.
    run.on('response', (_client, _status, _bytes, milliseconds) => times.push(milliseconds));
  });
  times.sort((a, b) => a - b);
  const percentile = (share: number): number =>
    Math.round((times[Math.floor(times.length * share)] ?? NaN) * 10) / 10;
  return {
    rps: result.requests.total / result.duration,
    p50: percentile(0.5),
    p95: percentile(0.95),
    cpuMs: ((cpuSeconds(server.pid) - cpu) * 1000) / result.requests.total,
    errors: result.errors + result.non2xx,
  };
}

/** The main thread's 99th percentile event-loop delay since the last call, in ms. */
async function eventLoopDelayMs(server: RunningServer): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const value = /^kindred_event_loop_delay_p99\S* (\S+)/m.exec(text)?.[1];
  return value === undefined ? NaN : Math.round(Number(value) * 100_000) / 100;
}
