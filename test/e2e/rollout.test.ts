import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { skipWithout } from '../daemon.js';
import { type Answer, type Cluster, type Load, startCluster, startLoad } from '../rollout-cluster.js';
import { addShuffledModel } from '../shuffled-model.js';

/** Time for a step to be taken and followed on a busy machine, in ms. */
const STEP_MS = 200_000;
/** Time in which both replicas have to follow a step, in ms. */
const FOLLOW_MS = 2_000;
const reason = skipWithout('redis-server');
const pairs = readFileSync(packageRoot('deploy/sample/pairs.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { query: string; id: string });

interface Version {
  readonly id: string;
  readonly state: string;
  readonly traffic: number;
  readonly verified: { readonly rows: number } | null;
  readonly gate: { readonly passed: boolean; readonly failures: string[] } | null;
}

describe.skipIf(reason !== undefined)(
  `a rollout on two gateways and a Redis${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    let cluster: Cluster;
    let load: Load;
    const versions = async (server = 0): Promise<Version[]> => {
      const { models } = await cluster.admin(
        '{ models { id state traffic verified { rows } gate { passed failures } } }',
        cluster.servers[server],
      );
      return models as Version[];
    };
    const version = async (id: string, server = 0): Promise<Version | undefined> =>
      (await versions(server)).find((each) => each.id === id);
    /** Waits until both gateways say so of a version. */
    const until = (id: string, what: object): Promise<void> =>
      expect
        .poll(async () => [await version(id, 0), await version(id, 1)], { timeout: STEP_MS, interval: 100 })
        .toEqual([expect.objectContaining(what), expect.objectContaining(what)]);
    const gate = (id: string): Promise<unknown> =>
      cluster.admin(
        `mutation { gateModel(id: "${id}", pairs: [${pairs
          .map((pair) => `{ query: ${JSON.stringify(pair.query)}, id: ${JSON.stringify(pair.id)} }`)
          .join()}]) { id } }`,
      );
    const share = (answers: readonly Answer[], id: string): number =>
      answers.filter((answer) => answer.version === id).length / answers.length;
    const versionsOf = (answers: readonly Answer[]): string[] =>
      [...new Set(answers.map((answer) => answer.version ?? 'none'))].sort();
    /** Answers to what was sent once both gateways follow. */
    const settled = async (count: number): Promise<Answer[]> => {
      const from = performance.now() + FOLLOW_MS;
      await sleep(FOLLOW_MS);
      const answers: Answer[] = [];
      while (answers.length < count)
        answers.push(...(await load.more(20)).filter(({ sent }) => sent >= from));
      return answers;
    };

    beforeAll(async () => {
      cluster = await startCluster({
        'rollout.shadow.share': '1',
        'rollout.guardrail.windowMs': '10000',
        'limits.tokens': '20000',
        // A test has no users to spare.
        'rollout.backfill.maxShare': '1',
        'rollout.backfill.maxTexts': '32',
        // Nor a machine of its own: what is slow because others use it is not to be shed.
        'embedding.maxQueueMs': '8000',
        // A transformer after a table of words, on a busy machine: it is slower, as everybody knows.
        'rollout.guardrail.maxLatencyRatio': '50',
      });
      await addShuffledModel(cluster.models, 'v3');
      load = startLoad(cluster, 24, 200);
    }, 120_000);
    afterAll(async () => {
      await load.stop();
      await cluster.close();
    });

    it('backfills v2 under load, and nobody gets an answer of it', async () => {
      expect(versionsOf(await load.more(50))).toEqual(['v1']);
      // The answer does not wait for the model.
      await cluster.admin('mutation { backfillModel(id: "v2", reason: "the new model") { id } }');
      await until('v2', { state: 'BACKFILLING', verified: { rows: 420 } });
      expect(versionsOf(load.answers)).toEqual(['v1']);
    });

    it('lets v2 through the gate', async () => {
      await expect(
        cluster.admin('mutation { setModelTraffic(id: "v2", share: 0.1) { id } }'),
      ).rejects.toThrow(/has not been through the gate/);
      await gate('v2');
      await until('v2', { gate: { passed: true, failures: [] } });
    });

    it('shadows v2: its answers are compared, and none goes out', async () => {
      await cluster.admin('mutation { shadowModel(id: "v2") { id } }');
      await until('v2', { state: 'SHADOW' });
      await expect
        .poll(async () => JSON.stringify(await compared()), { timeout: STEP_MS })
        .toMatch(/"v2":\[\d+,0\.\d+\]/);
      expect(versionsOf(load.answers)).toEqual(['v1']);
    });

    /** What replicas have compared: number and overlap by version. */
    const compared = async (): Promise<Record<string, [number, number]>> => {
      const { models } = await cluster.admin('{ models { id trial { compared overlap } } }');
      return Object.fromEntries(
        (models as { id: string; trial: { compared: number; overlap: number } | null }[]).flatMap(
          ({ id, trial }) => (trial === null ? [] : [[id, [trial.compared, trial.overlap]]]),
        ),
      );
    };

    it('gives v2 a growing share: of each size, and no user goes back', async () => {
      const moved = new Set<number>();
      for (const part of [0.1, 0.5, 1]) {
        await cluster.admin(`mutation { setModelTraffic(id: "v2", share: ${String(part)}) { id } }`);
        const answers = await settled(240);
        for (const user of moved)
          expect(versionsOf(answers.filter((answer) => answer.user === user))).toEqual(['v2']);
        for (const { user, version: id } of answers) if (id === 'v2') moved.add(user);
        // 24 users: the share of them is as good as it can be.
        expect(Math.abs(share(answers, 'v2') - part)).toBeLessThan(0.3);
      }
      expect(moved.size).toBe(24);
    });

    it('makes v2 stable and retires v1, which then answers nobody', async () => {
      await cluster.admin('mutation { promoteModel(id: "v2") { id } }');
      await until('v2', { state: 'STABLE', traffic: 1 });
      const named = '{ search(query: "lamp", modelVersion: "v1", first: 1) { modelVersion { id } } }';
      expect(await cluster.ask(cluster.servers[1]!, named)).toMatchObject({
        data: { search: { modelVersion: { id: 'v1' } } },
        extensions: { deprecation: [{ modelVersion: 'v1', successor: 'v2' }] },
      });
      await cluster.admin('mutation { retireModel(id: "v1") { id } }');
      expect(versionsOf(await settled(100))).toEqual(['v2']);
      expect((await cluster.ask(cluster.servers[1]!, named)).errors?.[0]).toMatchObject({
        message: expect.stringMatching(/v1 is retired, and v2 answers/) as string,
        extensions: { code: 'MODEL_VERSION_NOT_FOUND' },
      });
    });

    it('refuses v3, whose weights are shuffled, at the gate; forced, the guardrail takes it back', async () => {
      await cluster.admin('mutation { backfillModel(id: "v3") { id } }');
      await until('v3', { verified: { rows: 420 } });
      await gate('v3');
      await until('v3', { gate: expect.objectContaining({ passed: false }) as object });
      await cluster.admin('mutation { shadowModel(id: "v3") { id } }');
      await expect(cluster.admin('mutation { promoteModel(id: "v3") { id } }')).rejects.toThrow(
        /v3 did not pass the gate: it keeps \d+\.\d% of the accuracy of v2/,
      );
      const forced = performance.now();
      await cluster.admin(
        'mutation { setModelTraffic(id: "v3", share: 0.1, force: true, reason: "to see the guardrail") { id } }',
      );
      await until('v3', { state: 'SHADOW', traffic: 0 });
      const { modelHistory } = await cluster.admin('{ modelHistory(first: 1) { who action version why } }');
      expect(modelHistory).toMatchObject([
        {
          who: 'guardrail',
          action: 'rollback',
          version: 'v3',
          why: expect.stringMatching(/of their first hits in common/) as string,
        },
      ]);
      expect(versionsOf(await settled(100))).toEqual(['v2']);
      // Nobody else ever had an answer of it.
      expect(load.answers.filter(({ version: id, sent }) => id === 'v3' && sent < forced)).toEqual([]);
    });

    it('has not failed one request', () => {
      expect(load.answers.filter(({ error }) => error !== undefined)).toEqual([]);
      expect(load.answers.length).toBeGreaterThan(1_000);
    });
  },
);
