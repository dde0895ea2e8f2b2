import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Client } from 'undici';
import { packageRoot } from '../../src/package-root.js';
import { type EmbedBench, embedBody } from './embed-common.js';
import { median } from './median.js';
import { report } from './report.js';

/** Turns of each side that count, those that go before them, and the texts of one. */
const TURNS = 6;
const WARM_UP = 4;
const TEXTS = 200;

/** Times of texts, in ms. */
interface Times {
  readonly through: number[];
  /** The bare session's for the same text. */
  readonly alone: number[];
  /** What client, kernel and node:http take by themselves, between two processes. */
  readonly empty: number[];
}

/** One text at a time through Kindred and through the least that a server can be, in turns, each text beside session.run of it. */
export async function benchLatency({ server, bare, texts }: EmbedBench): Promise<void> {
  const least = await startBareServer();
  const sides = [server, least].map(({ url }) => ({ client: new Client(url), turns: [] as Times[] }));
  try {
    for (let turn = 0; turn < WARM_UP + TURNS; turn += 1) {
      for (const { client, turns } of sides) {
        const times: Times = { through: [], alone: [], empty: [] };
        for (let at = 0; at < TEXTS; at += 1) {
          // A mark of its own keeps a text that came before out of the cache.
          const text = `${texts.short()} ${turn * TEXTS + at}`;
          const asked = {
            path: '/embed/v2',
            method: 'POST',
            headers: { 'content-type': 'application/json' },
          };
          times.through.push(await took(client, { ...asked, body: embedBody(text) }));
          times.alone.push(await bare.run([bare.encode(text)]));
          times.empty.push(await took(client, { path: '/healthz', method: 'GET' }));
        }
        if (turn >= WARM_UP) turns.push(times);
      }
    }
  } finally {
    for (const { client } of sides) await client.close();
    await least.stop();
  }

  const [ours, floor] = sides.map(({ turns }) => {
    const p50 = (of: keyof Times): number => median(turns.flatMap((times) => times[of]));
    return { through: p50('through'), alone: p50('alone'), empty: p50('empty') };
  });
  if (!ours || !floor) throw new Error('expected the times of both sides');
  report({
    bench: 'embed',
    name: 'one text at a time, p50',
    value: ours.through,
    unit: 'ms',
    baseline: ours.alone,
    against: 'session.run of the same text',
    target: 'at most 1.0 ms above',
    aboveMs: ours.through - ours.alone,
    emptyRequestMs: ours.empty,
    // node:http and a worker with a session, nothing between: what no gateway in Node is below on this machine.
    leastAboveMs: floor.through - floor.alone,
  });
}

async function took(client: Client, request: Parameters<Client['request']>[0]): Promise<number> {
  const start = performance.now();
  const { body } = await client.request(request);
  await body.text();
  return performance.now() - start;
}

async function startBareServer(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const child = fork(packageRoot('dist/test/bench/bare-server.js'), {
    // As Kindred has them.
    execArgv: ['--v8-pool-size=1', '--max-semi-space-size=32'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const port = await Promise.race([
    once(child, 'message').then(([told]) => told as number),
    exited.then(([code]) => {
      throw new Error(`the bare server ended before it listened (exit code ${String(code)})`);
    }),
  ]);
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      child.kill();
      await exited;
    },
  };
}
