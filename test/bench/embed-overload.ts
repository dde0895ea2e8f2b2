import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { type EmbedBench, embedBody } from './embed-common.js';
import { load } from './load.js';
import { report } from './report.js';

const SECONDS = Number(process.env.BENCH_OVERLOAD_SECONDS ?? 60);
/** Connections at full capacity, and those that offer ten times as much. */
const FULL = 64;
const FLOOD = 640;

/** Full capacity, then ten times the connections, each asking again as soon as it is refused; then full capacity again. */
export async function benchOverload({ server, texts }: EmbedBench): Promise<void> {
  const asked = { path: '/embed/v2', body: () => embedBody(texts.short()) };
  await load(server, { ...asked, connections: FULL, seconds: 3 });
  const full = await load(server, { ...asked, connections: FULL, seconds: 15 });
  const before = residentMB(server.pid);
  const flood = await load(server, { ...asked, connections: FLOOD, seconds: SECONDS });
  const after = residentMB(server.pid);
  await sleep(2_000);
  const again = await load(server, { ...asked, connections: 1, seconds: 3 });
  const common = { bench: 'embed', against: `${FULL} connections` };
  report({
    ...common,
    name: `${FLOOD} connections for ${SECONDS} s: answered`,
    value: flood.rps,
    unit: 'texts/s',
    baseline: full.rps,
    target: 'ratio >= 0.9',
    offeredPerSecond: Math.round((flood.rps * SECONDS + flood.refused) / SECONDS),
    refused: flood.refused,
    refusedP99Ms: flood.refusedP99,
    errors: flood.errors,
    rssMB: [before, after],
  });
  report({
    ...common,
    name: `${FLOOD} connections for ${SECONDS} s: p99 of those answered`,
    value: flood.p99,
    unit: 'ms',
    baseline: full.p99,
    target: 'ratio <= 2',
  });
  report({
    ...common,
    name: '2 s later, 1 connection: p95',
    value: again.p95,
    unit: 'ms',
    errors: again.errors + again.refused,
  });
}

function residentMB(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return Math.round((pages * 4_096) / 1e6);
}
