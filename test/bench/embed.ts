import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from '../server-process.js';
import { type BareSession, openBareSession } from './bare-session.js';
import { benchBulk } from './embed-bulk.js';
import { type EmbedBench, embedBody } from './embed-common.js';
import { benchInfinity } from './embed-infinity.js';
import { benchLatency } from './embed-latency.js';
import { benchOverload } from './embed-overload.js';
import { benchPeers } from './embed-peers.js';
import { type Load, eventLoopDelayMs, load } from './load.js';
import { median } from './median.js';
import { type Figure, report } from './report.js';
import { openTexts } from './texts.js';

/** How often a load and its baseline take turns. */
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
/** Until V8 has compiled what runs: on a slow machine its compiler takes a tenth of the CPU of the first 15 s, and the main thread gets faster for two minutes. */
const WARM_UP_SECONDS = 120;
/** A share of each turn goes before it and does not count: what has idled while the other side ran takes more CPU in its first second. */
const LEAD_IN = 0.25;
/** Connections that keep a server of two cores busy. */
const FULL = 64;
/** Texts of one request, as in the comparison with peers in facts/peers.md. */
const SEVERAL = 16;
const SORTED = 'bare onnxruntime loop, sorted, batches of 32, whole process';

const PARTS: Record<string, (bench: EmbedBench) => Promise<void>> = {
  throughput: benchThroughput,
  several: benchSeveral,
  mixed: benchMixed,
  latency: benchLatency,
  peers: benchPeers,
  infinity: benchInfinity,
  overload: benchOverload,
  bulk: benchBulk,
};

/**
 * `npm run bench -- embed [PART ...]`: v2 on CPU through `POST /embed/v2`, every text asked once, so that nothing comes from the cache;
 * against bare onnxruntime in the same run. Parts: throughput, several, mixed, latency, peers, infinity, overload, bulk; all of them without one.
 */
export async function benchEmbed(parts: readonly string[]): Promise<void> {
  const unknown = parts.find((part) => !(part in PARTS));
  if (unknown !== undefined)
    throw new Error(`expected a part of ${Object.keys(PARTS).join(', ')}, but got ${unknown}`);
  const bare = await openBareSession('v2');
  try {
    for (const part of parts.length > 0 ? parts : Object.keys(PARTS)) await benchPart(part, bare);
  } finally {
    await bare.close();
  }
}

/** Runs a part on a server of its own, which is warm. */
async function benchPart(part: string, bare: BareSession): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-bench-'));
  const server = await startServer({
    data: folder,
    'models.versions': 'v2',
    'models.stable': 'v2',
    'log.level': 'info',
    'store.adapter': 'memory',
    // All that is asked has to be answered, however slow the machine is, unless refusing is what is measured. Then a cache that is full
    // before it begins shows whether memory is flat.
    ...(part === 'overload' ? { 'cache.maxBytes': '16777216' } : { 'embedding.maxQueueMs': '60000' }),
  });
  try {
    const texts = await openTexts();
    const body = (): string => embedBody(texts.short());
    // The bulk load runs in this process and asks no server.
    if (part !== 'bulk')
      await load(server, { path: '/embed/v2', connections: FULL, seconds: WARM_UP_SECONDS, body });
    await PARTS[part]?.({ server, bare, texts });
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function benchThroughput(bench: EmbedBench): Promise<void> {
  const { server, texts } = bench;
  const asked = { path: '/embed/v2', connections: FULL, body: () => embedBody(texts.short()) };
  const delays: number[] = [];
  await inTurns({
    name: `texts of 4-12 words, ${FULL} connections`,
    target: 'ratio >= 0.85',
    against: SORTED,
    through: async (share) => {
      await eventLoopDelayMs(server);
      const figure = await load(server, { ...asked, requests: 1_500 * share });
      const delay = await eventLoopDelayMs(server);
      if (share === 1) delays.push(delay);
      return figure;
    },
    alone: (share) => loopSorted(bench, share),
    details: () => ({ eventLoopDelayP99Ms: median(delays), eventLoopTarget: '< 5 ms' }),
  });
}

/** As a client that has several texts asks: the cost of HTTP is shared by them. */
async function benchSeveral(bench: EmbedBench): Promise<void> {
  const { server, texts } = bench;
  const many = (): string[] => Array.from({ length: SEVERAL }, texts.short);
  const body = (): string => JSON.stringify({ inputs: many(), encoding: 'base64' });
  const asked = { path: '/embed/v2', connections: 16, body };
  await inTurns({
    name: `${SEVERAL} texts of 4-12 words a request, ${asked.connections} connections`,
    against: SORTED,
    textsARequest: SEVERAL,
    through: (share) => load(server, { ...asked, requests: 128 * share }),
    alone: (share) => loopSorted(bench, share),
  });
}

async function benchMixed({ server, bare, texts }: EmbedBench): Promise<void> {
  const asked = { path: '/embed/v2', connections: FULL, body: () => embedBody(texts.mixed()) };
  await inTurns({
    name: `texts of 6-120 tokens, ${FULL} connections`,
    target: 'ratio >= 2',
    against: 'bare onnxruntime loop, batches of 32 in order of arrival',
    through: (share) => load(server, { ...asked, requests: 640 * share }),
    alone: async (share) => {
      const sample = Array.from({ length: 320 * share }, texts.mixed).map(bare.encode);
      const { cpu } = await bare.loop(sample, 32);
      return sample.length / cpu;
    },
  });
}

/** Texts of 4-12 words a CPU-second in a bare loop. */
async function loopSorted({ bare, texts }: EmbedBench, share: number): Promise<number> {
  const sample = Array.from({ length: 2_000 * share }, texts.short).map(bare.encode);
  const { cpu } = await bare.loop(
    sample.sort((a, b) => a.length - b.length),
    32,
  );
  return sample.length / cpu;
}

interface Turns extends Pick<Figure, 'name' | 'target' | 'against'> {
  /** Does a share of the work. */
  readonly through: (share: number) => Promise<Load>;
  /** Texts a CPU-second of the baseline. */
  readonly alone: (share: number) => Promise<number>;
  /** Default 1. */
  readonly textsARequest?: number;
  readonly details?: () => Readonly<Record<string, unknown>>;
}

/**
 * Reports the texts a CPU-second of both sides, in turns: a machine that is shared may be a third slower a minute later. The ratio is the median of those of
 * the pairs.
 */
async function inTurns({ through, alone, textsARequest = 1, details, ...figure }: Turns): Promise<void> {
  const pairs: { load: Load; value: number; baseline: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await through(LEAD_IN);
    const load = await through(1);
    await alone(LEAD_IN);
    pairs.push({ load, value: (textsARequest * 1_000) / load.cpuMs, baseline: await alone(1) });
  }
  const middle = (of: (pair: (typeof pairs)[number]) => number): number => median(pairs.map(of));
  const ratios = pairs.map(({ value, baseline }) => value / baseline);
  report({
    bench: 'embed',
    ...figure,
    value: middle(({ value }) => value),
    unit: 'texts/CPU-s',
    baseline: middle(({ baseline }) => baseline),
    ratio: median(ratios),
    ratios: ratios.map((ratio) => Math.round(ratio * 100) / 100),
    textsPerSecond: Math.round(middle(({ load }) => load.rps * textsARequest)),
    p50Ms: middle(({ load }) => load.p50),
    p95Ms: middle(({ load }) => load.p95),
    errors: pairs.reduce((sum, { load: { errors, refused } }) => sum + errors + refused, 0),
    ...details?.(),
  });
}
