import { setTimeout as sleep } from 'node:timers/promises';
import { constants, setPriority } from 'node:os';
import { residentMB } from '../server-process.js';
import { type EmbedBench, embedBody } from './embed-common.js';
import { type Load, type LoadOptions, load, offer } from './load.js';
import { median } from './median.js';
import { report } from './report.js';

const SECONDS = Number(process.env.BENCH_OVERLOAD_SECONDS ?? 60);
/** Texts, and the connections that full capacity is looked for from. */
const CASES = [
  { kind: 'short', name: 'texts of 4-12 words', connections: 256 },
  { kind: 'mixed', name: 'texts of 6-120 tokens', connections: 64 },
] as const;
/** How many times the connections of full capacity there are that ask again as soon as they are refused, and for how long. */
const IMPATIENT = 3;
const IMPATIENT_SECONDS = 15;
/** How many times the requests of full capacity are offered, by so many connections: more than refusals that are held back can keep busy. */
const TIMES = 10;
const FLOOD = 2_000;
/** How long full capacity is measured. */
const FULL_SECONDS = 15;

/** Full capacity, then ten times as many requests a second, whatever becomes of them; then a little again; then clients that don't wait when they are refused. */
export async function benchOverload(bench: EmbedBench): Promise<void> {
  // The clients stand for other machines. Here they share the server's cores, and its workers have this niceness: with a priority above
  // theirs, asking would take what embeds. Whether they still ask as often is printed.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  for (const each of CASES) await overload(bench, each);
}

async function overload({ server, texts }: EmbedBench, each: (typeof CASES)[number]): Promise<void> {
  const asked = { path: '/embed/v2', body: () => embedBody(texts[each.kind]()) };
  const { connections, full } = await fullCapacity(server, asked, each.connections);
  const resident = sampleResidentMB(server.pid);
  const flood = await offer(server, {
    ...asked,
    connections: FLOOD,
    rate: TIMES * full.rps,
    seconds: SECONDS,
  });
  const rssMB = resident.stop();
  await sleep(2_000);
  const again = await load(server, { ...asked, connections: 1, seconds: 3 });
  // The pace of a shared machine drifts by a fifth within minutes: full capacity is what it is before and after.
  const after = await load(server, { ...asked, connections, seconds: FULL_SECONDS });
  const mean = (of: (load: Load) => number): number => (of(full) + of(after)) / 2;
  const rps = mean((each) => each.rps);
  const name = `${each.name}, ${TIMES} times the load for ${SECONDS} s`;
  const common = { bench: 'embed', against: `full capacity, ${connections} connections` };
  report({
    ...common,
    name: `${name}: answered`,
    value: flood.rps,
    unit: 'texts/s',
    baseline: rps,
    target: 'ratio >= 0.9',
    fullCapacity: [full.rps, after.rps],
    offeredPerSecond: Math.round((flood.rps * SECONDS + flood.refused) / SECONDS),
    refused: flood.refused,
    refusedP99Ms: flood.refusedP99,
    errors: flood.errors,
    rssMB,
  });
  // What a server does that has its cores for itself: here the clients take some of them, and more of them the more they ask.
  const perCpuSecond = (of: Load): number => 1_000 / of.cpuMs;
  report({
    ...common,
    name: `${name}: answered by CPU time of the server`,
    value: perCpuSecond(flood),
    unit: 'texts/CPU-s',
    baseline: mean(perCpuSecond),
    target: 'ratio >= 0.9',
  });
  report({
    ...common,
    name: `${name}: p99 of those answered`,
    value: flood.p99,
    unit: 'ms',
    baseline: mean((each) => each.p99),
    target: 'ratio <= 2',
  });
  report({
    ...common,
    name: `${name}: p95 of 1 connection 2 s later`,
    value: again.p95,
    unit: 'ms',
    errors: again.errors + again.refused,
  });
  const impatient = { ...asked, connections: IMPATIENT * connections };
  await load(server, { ...impatient, seconds: 3 });
  const stormed = await load(server, { ...impatient, seconds: IMPATIENT_SECONDS });
  report({
    ...common,
    name: `${each.name}, ${impatient.connections} connections that ask again at once when refused: answered`,
    value: stormed.rps,
    unit: 'texts/s',
    baseline: rps,
    refusedPerSecond: Math.round(stormed.refused / IMPATIENT_SECONDS),
    errors: stormed.errors,
  });
}

/**
 * What as many connections as can be get without any of them being refused: one that is asks again at once, and refusing it would take the cores that
 * embed.
 */
async function fullCapacity(
  server: EmbedBench['server'],
  asked: Pick<LoadOptions, 'path' | 'body'>,
  most: number,
): Promise<{ readonly connections: number; readonly full: Load }> {
  for (let connections = most; ; connections = Math.floor(connections * 0.8)) {
    // They all come at once at first, which may be too much for a moment.
    await load(server, { ...asked, connections, seconds: 3 });
    const probe = await load(server, { ...asked, connections, seconds: 3 });
    if (probe.refused > 0 && connections > 1) continue;
    const full = await load(server, { ...asked, connections, seconds: FULL_SECONDS });
    if (full.refused === 0 || connections <= 1) return { connections, full };
  }
}

/** Samples resident memory until it is stopped; answers what there was before, and the median of each tenth of the time. */
function sampleResidentMB(pid: number): { stop(): { readonly before: number; readonly tenths: number[] } } {
  const before = Math.round(residentMB(pid));
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(residentMB(pid)), 500);
  return {
    stop: () => {
      clearInterval(timer);
      const tenth = (at: number): number[] =>
        samples.slice((at * samples.length) / 10, ((at + 1) * samples.length) / 10);
      return { before, tenths: Array.from({ length: 10 }, (_, at) => Math.round(median(tenth(at)))) };
    },
  };
}
