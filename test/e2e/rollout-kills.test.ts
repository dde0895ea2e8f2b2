import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { seededRandom } from '../../src/rollout/statistics.js';
import { skipWithout } from '../daemon.js';
import { type Cluster, startCluster } from '../rollout-cluster.js';

/** Seeded runs; each takes the other of two versions into production while something is killed. */
const RUNS = 30;
/** Time for a run on a busy machine, in ms. */
const RUN_MS = 90_000;
/** A backfill of the sample takes about so long here, in ms: kills come at any moment of it. */
const BACKFILL_MS = 1_500;
const reason = skipWithout('redis-server');

interface Version {
  readonly id: string;
  readonly state: string;
  readonly traffic: number;
  readonly verified: { readonly against: string; readonly rows: number } | null;
}
interface Event {
  readonly version: string;
  readonly action: string;
  readonly to: string;
}

describe.skipIf(reason !== undefined)(
  `X14, X15: a rollout in which a replica, the backfill or Redis is killed${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    let cluster: Cluster;
    const versions = async (server: number): Promise<Version[]> => {
      const { models } = await cluster.admin(
        '{ models { id state traffic verified { against rows } } }',
        cluster.servers[server],
      );
      return models as Version[];
    };
    const history = async (server: number): Promise<Event[]> => {
      const { modelHistory } = await cluster.admin(
        '{ modelHistory(first: 1000) { version action to } }',
        cluster.servers[server],
      );
      return (modelHistory as Event[]).reverse();
    };
    /** A step, taken again while what it needs is away; one that was taken by the first try is refused at the second. */
    const step = async (mutation: string, taken: () => Promise<boolean>): Promise<void> => {
      for (;;) {
        try {
          await cluster.admin(`mutation { ${mutation} }`, cluster.servers[1]);
          return;
        } catch (error) {
          if (await taken().catch(() => false)) return;
          if (!/can not be reached|fetch failed|not ready|can't answer/.test(String(error))) throw error;
          await sleep(100);
        }
      }
    };
    const stateOf = async (id: string): Promise<string | undefined> =>
      (await versions(1)).find((each) => each.id === id)?.state;

    beforeAll(async () => {
      cluster = await startCluster({
        'models.versions': 'v1',
        'rollout.backfill.batchSize': '16',
        'rollout.canaries.everyMs': '0',
        'rollout.sunsetDays': 'null',
      });
      cpSync(packageRoot('deploy/models/v1'), join(cluster.models, 'w1'), { recursive: true });
    }, RUN_MS);
    afterAll(() => cluster.close());

    const kills = {
      /** The replica that does the backfill, which another takes up. */
      replica: async (id: string, after: number) => {
        await cluster.admin(`mutation { backfillModel(id: "${id}") { id } }`, cluster.servers[0]);
        await sleep(after);
        await cluster.restart(0);
        await step(`backfillModel(id: "${id}") { id }`, () => Promise.resolve(false));
      },
      /** A backfill of its own process, which is started again. */
      backfill: async (id: string, after: number) => {
        const run = (): ReturnType<typeof spawn> =>
          spawn(
            process.execPath,
            [
              packageRoot('dist/src/cli/index.js'),
              ...['models', 'backfill', id],
              ...Object.entries(cluster.flags).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
            ],
            { stdio: 'ignore' },
          );
        const first = run();
        await sleep(1_000 + after);
        if (first.kill('SIGKILL')) await once(first, 'exit');
        const [code] = (await once(run(), 'exit')) as [number];
        expect(code).toBe(0);
      },
      /** Redis, which comes back without anything in it. */
      redis: async (id: string, after: number) => {
        await cluster.admin(`mutation { backfillModel(id: "${id}") { id } }`, cluster.servers[1]);
        await sleep(after);
        await cluster.redis.kill();
        await sleep(200);
        await cluster.redis.restart();
        await step(`backfillModel(id: "${id}") { id }`, () => Promise.resolve(false));
      },
    };
    const KINDS = ['replica', 'backfill', 'redis'] as const;

    it.each(Array.from({ length: RUNS }, (_, run) => ({ run: run + 1, kind: KINDS[run % KINDS.length]! })))(
      'run $run: with a kill of $kind no item is lost, no step is skipped, and both replicas agree',
      async ({ run, kind }) => {
        const random = seededRandom(run);
        const before = await versions(1);
        const stable = before.find(({ state }) => state === 'stable' || state === 'STABLE')?.id ?? '';
        const id = stable === 'v1' ? 'w1' : 'v1';
        // What was retired before may be filled anew.
        const from = (await history(1)).length;
        if ((await stateOf(id)) === 'RETIRING')
          await step(`retireModel(id: "${id}") { id }`, async () => (await stateOf(id)) === undefined);

        await kills[kind](id, random() * BACKFILL_MS);
        await expect
          .poll(async () => (await versions(1)).find((each) => each.id === id)?.verified, { timeout: RUN_MS })
          .toEqual({ against: stable, rows: 420 });

        const force = 'force: true, reason: "a test"';
        await step(`shadowModel(id: "${id}") { id }`, async () => (await stateOf(id)) === 'SHADOW');
        await step(
          `setModelTraffic(id: "${id}", share: 0.5, ${force}) { id }`,
          async () => (await stateOf(id)) === 'CANARY',
        );
        await step(
          `promoteModel(id: "${id}", ${force}) { id }`,
          async () => (await stateOf(id)) === 'STABLE',
        );

        const steps = (await history(1)).slice(from).filter(({ version }) => version === id);
        const states = steps.map(({ to }) => to).filter((to, at, all) => to !== all[at - 1]);
        expect(states.filter((state) => state !== 'GONE')).toEqual([
          ...['ADDED', 'BACKFILLING', 'SHADOW', 'CANARY', 'STABLE'],
        ]);
        await expect
          .poll(async () => [await versions(0), await history(0)], { timeout: 10_000 })
          .toEqual([await versions(1), await history(1)]);
        // A load balancer sends nothing to a replica that is not ready: a version that could not be opened at once is tried again.
        await expect
          .poll(async () => (await fetch(`${cluster.servers[0]!.url}/readyz`)).status, { timeout: 30_000 })
          .toBe(200);
        const reply = await cluster.ask(
          cluster.servers[0]!,
          '{ search(query: "lamp", first: 5) { nodes { title } modelVersion { id } } }',
        );
        expect(reply.errors).toBeUndefined();
        expect(reply.data?.search).toMatchObject({ modelVersion: { id }, nodes: [{}, {}, {}, {}, {}] });
      },
      RUN_MS,
    );
  },
);
