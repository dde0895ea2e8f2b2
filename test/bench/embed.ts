import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'undici';
import { startServer } from '../server-process.js';
import { openBareSession } from './bare-session.js';
import { benchBulk } from './embed-bulk.js';
import { type EmbedBench, embedBody } from './embed-common.js';
import { benchInfinity } from './embed-infinity.js';
import { benchOverload } from './embed-overload.js';
import { benchPeers } from './embed-peers.js';
import { eventLoopDelayMs, load, percentile } from './load.js';
import { report } from './report.js';
import { openTexts } from './texts.js';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 20);
/** Until V8 has compiled what runs: on a slow machine its compiler took a tenth of the CPU of the first 15 s. */
const WARM_UP_SECONDS = 20;
/** Connections that keep a server of two cores busy. */
const FULL = 64;
/** Texts of one request, as in the comparison with peers in facts/peers.md. */
const SEVERAL = 16;

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
  const folder = await mkdtemp(join(tmpdir(), 'kindred-bench-'));
  const server = await startServer({
    data: folder,
    'models.versions': 'v2',
    'models.stable': 'v2',
    'log.level': 'info',
    'store.adapter': 'memory',
  });
  const bare = await openBareSession('v2');
  try {
    const bench = { server, bare, texts: await openTexts() };
    for (const part of parts.length > 0 ? parts : Object.keys(PARTS)) await PARTS[part]?.(bench);
  } finally {
    await bare.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function benchThroughput({ server, bare, texts }: EmbedBench): Promise<void> {
  const asked = { path: '/embed/v2', connections: FULL, body: () => embedBody(texts.short()) };
  await load(server, { ...asked, seconds: WARM_UP_SECONDS });
  await eventLoopDelayMs(server);
  const figure = await load(server, { ...asked, seconds: SECONDS });
  const delay = await eventLoopDelayMs(server);
  const sample = Array.from({ length: 4_000 }, texts.short).map(bare.encode);
  const { cpu, runCpu } = await bare.loop(
    sample.sort((a, b) => a.length - b.length),
    32,
  );
  report({
    bench: 'embed',
    name: `texts of 4-12 words, ${FULL} connections`,
    value: 1_000 / figure.cpuMs,
    unit: 'texts/CPU-s',
    baseline: sample.length / cpu,
    against: 'bare onnxruntime loop, sorted, batches of 32, whole process',
    target: 'ratio >= 0.85',
    sessionRunAlone: Math.round(sample.length / runCpu),
    rps: Math.round(figure.rps),
    p50Ms: figure.p50,
    p95Ms: figure.p95,
    cpuMsPerText: Math.round(figure.cpuMs * 100) / 100,
    errors: figure.errors + figure.refused,
    eventLoopDelayP99Ms: delay,
    eventLoopTarget: '< 5 ms',
  });
}

/** As a client that has several texts asks: the cost of HTTP is shared by them. */
async function benchSeveral({ server, bare, texts }: EmbedBench): Promise<void> {
  const many = (): string[] => Array.from({ length: SEVERAL }, texts.short);
  const body = (): string => JSON.stringify({ inputs: many(), encoding: 'base64' });
  const asked = { path: '/embed/v2', connections: 16, body };
  await load(server, { ...asked, seconds: WARM_UP_SECONDS });
  const figure = await load(server, { ...asked, seconds: SECONDS });
  const sample = Array.from({ length: 4_000 }, texts.short).map(bare.encode);
  const { cpu } = await bare.loop(
    sample.sort((a, b) => a.length - b.length),
    32,
  );
  report({
    bench: 'embed',
    name: `${SEVERAL} texts of 4-12 words a request, ${asked.connections} connections`,
    value: (SEVERAL * 1_000) / figure.cpuMs,
    unit: 'texts/CPU-s',
    baseline: sample.length / cpu,
    against: 'bare onnxruntime loop, sorted, batches of 32, whole process',
    textsPerSecond: Math.round(SEVERAL * figure.rps),
    p95Ms: figure.p95,
    errors: figure.errors + figure.refused,
  });
}

async function benchMixed({ server, bare, texts }: EmbedBench): Promise<void> {
  const asked = { path: '/embed/v2', connections: FULL, body: () => embedBody(texts.mixed()) };
  await load(server, { ...asked, seconds: 2 });
  const figure = await load(server, { ...asked, seconds: SECONDS });
  const sample = Array.from({ length: 1_024 }, texts.mixed).map(bare.encode);
  const { cpu } = await bare.loop(sample, 32);
  report({
    bench: 'embed',
    name: `texts of 6-120 tokens, ${FULL} connections`,
    value: 1_000 / figure.cpuMs,
    unit: 'texts/CPU-s',
    baseline: sample.length / cpu,
    against: 'bare onnxruntime loop, batches of 32 in order of arrival',
    target: 'ratio >= 2',
    rps: Math.round(figure.rps),
    p95Ms: figure.p95,
    errors: figure.errors + figure.refused,
  });
}

async function benchLatency({ server, bare, texts }: EmbedBench): Promise<void> {
  const sample = Array.from({ length: 1_200 }, texts.short);
  // Both have been running for a while.
  await load(server, { path: '/embed/v2', connections: 4, seconds: 4, body: () => embedBody(texts.short()) });
  const client = new Client(server.url);
  const through: number[] = [];
  const alone: number[] = [];
  const empty: number[] = [];
  for (const [index, text] of [...sample.slice(0, 800), ...sample].entries()) {
    // In turns, so that both see the same machine; the first ones warm up.
    const start = performance.now();
    const answer = await client.request({
      path: '/embed/v2',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      // A mark of its own keeps a text that came before out of the cache.
      body: embedBody(`${text} ${index}`),
    });
    await answer.body.text();
    const took = performance.now() - start;
    const bareMs = await bare.run([bare.encode(`${text} ${index}`)]);
    const asked = performance.now();
    await (await client.request({ path: '/healthz', method: 'GET' })).body.text();
    if (index < 800) continue;
    empty.push(performance.now() - asked);
    through.push(took);
    alone.push(bareMs);
  }
  await client.close();
  const [p50, bareP50, emptyP50] = [through, alone, empty].map((times) =>
    percentile(
      times.sort((a, b) => a - b),
      0.5,
    ),
  );
  report({
    bench: 'embed',
    name: 'one text at a time, p50',
    value: p50 ?? NaN,
    unit: 'ms',
    baseline: bareP50,
    against: 'session.run of the same text',
    target: 'at most 1.0 ms above',
    aboveMs: Math.round(((p50 ?? NaN) - (bareP50 ?? NaN)) * 100) / 100,
    // What client, kernel and node:http take by themselves, between two processes.
    emptyRequestMs: emptyP50,
  });
}
