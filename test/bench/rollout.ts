import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../src/package-root.js';
import { quantile } from '../../src/rollout/statistics.js';
import { type Answer, type Cluster, type Load, startCluster, startLoad } from '../rollout-cluster.js';
import { runCli } from '../server-process.js';
import { addShuffledModel } from '../shuffled-model.js';
import { report } from './report.js';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 15);
const USERS = Number(process.env.BENCH_USERS ?? 8);
const PAUSE_MS = 20;

/**
 * `npm run bench -- rollout`: the whole story on two gateways and a Redis under load: what a backfill costs requests, how fast a rollback is, what the
 * cache does at the switch, and how many requests fail.
 */
export async function benchRollout(): Promise<void> {
  const cluster = await startCluster({
    'rollout.shadow.share': '1',
    'rollout.canaries.everyMs': '0',
    'search.windowTtlMs': '0',
  });
  try {
    await addShuffledModel(cluster.models, 'v3');
    // The same model again, for the other way to backfill: what it costs then compares.
    cpSync(packageRoot('deploy/models/v2'), join(cluster.models, 'w2'), { recursive: true });
    const load = startLoad(cluster, USERS, PAUSE_MS);
    await story(cluster, load);
    await load.stop();
    report({
      bench: 'rollout',
      name: 'failedRequests',
      unit: 'requests',
      target: '0',
      value: load.answers.filter(({ error }) => error !== undefined).length,
      of: load.answers.length,
    });
  } finally {
    await cluster.close();
  }
}

async function story(cluster: Cluster, load: Load): Promise<void> {
  const during = async (work: () => Promise<unknown>): Promise<Answer[]> => {
    const from = performance.now();
    await work();
    const until = performance.now();
    return load.answers.filter(({ sent, at }) => sent >= from && at <= until);
  };
  const verified = async (id: string): Promise<void> => {
    for (;;) {
      const { models } = await cluster.admin('{ models { id verified { rows } } }');
      if ((models as { id: string; verified: object | null }[]).find((each) => each.id === id)?.verified)
        return;
      await sleep(50);
    }
  };
  const compare = (
    name: string,
    quiet: readonly Answer[],
    busy: readonly Answer[],
    seconds: number,
  ): void => {
    for (const [share, figure] of [
      [0.5, 'p50'],
      [0.99, 'p99'],
    ] as const) {
      const of = (answers: readonly Answer[]): number =>
        quantile(
          answers.map(({ sent, at }) => at - sent),
          share,
        );
      report({
        bench: 'rollout',
        name: `${figure} ${name}`,
        unit: 'ms',
        target: 'ratio <= 1.2',
        value: of(busy),
        baseline: of(quiet),
        against: 'no backfill',
        requests: busy.length,
        seconds,
      });
    }
  };
  /** Runs `work` between two stretches without it, which are the baseline together. */
  const cost = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const before = await during(() => sleep(SECONDS * 500));
    const started = performance.now();
    const busy = await during(work);
    const seconds = (performance.now() - started) / 1000;
    const after = await during(() => sleep(SECONDS * 500));
    compare(name, [...before, ...after], busy, seconds);
  };

  // A version is loaded, and its batches measured, when it comes up; that is no part of its backfill.
  for (const id of ['v2', 'w2', 'v3']) await cluster.admin(`mutation { verifyModel(id: "${id}") { id } }`);
  await sleep(5_000);
  await load.more(200);
  await cost('with a backfill in a gateway', async () => {
    await cluster.admin('mutation { backfillModel(id: "v2") { id } }');
    await verified('v2');
  });
  await cluster.admin('mutation { abandonModel(id: "v2") { id } }');
  await cluster.admin('mutation { retireModel(id: "v2") { id } }');
  await cost('with a backfill of its own process', () =>
    runCli([
      ...['models', 'backfill', 'w2'],
      ...Object.entries(cluster.flags).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    ]),
  );
  await cluster.admin('mutation { abandonModel(id: "w2") { id } }');
  await cluster.admin('mutation { retireModel(id: "w2") { id } }');

  await cluster.admin('mutation { backfillModel(id: "v2") { id } }');
  await verified('v2');
  const pairs = readFileSync(packageRoot('deploy/sample/pairs.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .slice(0, 100);
  const list = pairs.map((line) => line.replace(/"(query|id)":/g, '$1:')).join();
  await cluster.admin(`mutation { gateModel(id: "v2", pairs: [${list}]) { id } }`);
  await cluster.admin('mutation { shadowModel(id: "v2") { id } }');
  // The cache is warmed meanwhile.
  await sleep(15_000);
  const old = await hitRatio(cluster, 'v1', () => sleep(SECONDS * 1000));
  await cluster.admin('mutation { promoteModel(id: "v2") { id } }');
  const fresh = await hitRatio(cluster, 'v2', () => sleep(SECONDS * 1000));
  report({
    bench: 'rollout',
    name: 'hit ratio after the switch',
    unit: 'share',
    target: 'within 0.05',
    value: fresh,
    baseline: old,
    against: 'before the switch',
    difference: fresh - old,
  });

  await cluster.admin('mutation { backfillModel(id: "v3") { id } }');
  await verified('v3');
  await cluster.admin('mutation { shadowModel(id: "v3") { id } }');
  await cluster.admin(
    'mutation { setModelTraffic(id: "v3", share: 0.5, force: true, reason: "a benchmark") { id } }',
  );
  await load.more(40);
  const from = performance.now();
  await cluster.admin('mutation { rollbackModel(reason: "a benchmark") { id } }');
  await sleep(4_000);
  const last = Math.max(from, ...load.answers.filter(({ version }) => version === 'v3').map(({ at }) => at));
  report({
    bench: 'rollout',
    name: 'from rollback to the last answer by the bad version',
    unit: 'ms',
    value: last - from,
    target: '<= 2000',
  });
}

/** Share of the cache's lookups for a version's texts that were hits while `work` ran, at both gateways. */
async function hitRatio(cluster: Cluster, version: string, work: () => Promise<unknown>): Promise<number> {
  const before = await lookups(cluster, version);
  await work();
  const after = await lookups(cluster, version);
  const hits = after.hit - before.hit;
  return hits / (hits + after.miss - before.miss);
}

/** Texts that some tier had, and those that none had, which is what the last tier missed. */
async function lookups({ servers }: Cluster, version: string): Promise<{ hit: number; miss: number }> {
  let [hit, miss] = [0, 0];
  for (const { url } of servers) {
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const [, labels = '', value] of text.matchAll(/^kindred_cache_lookups_total\{([^}]*)\} (\S+)/gm)) {
      if (!labels.includes(`model="${version}"`)) continue;
      if (labels.includes('outcome="hit"') || labels.includes('outcome="coalesced"')) hit += Number(value);
      else if (labels.includes('tier="redis"') && labels.includes('outcome="miss"')) miss += Number(value);
    }
  }
  return { hit, miss };
}
