import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { createMilvusStore } from '../../src/vectors/milvus.js';
import { type Milvus, milvusOptions, skipMilvus, startMilvus } from '../milvus.js';
import { type RunningServer, startServer } from '../server-process.js';

/** Time for what comes back to be found back, in ms. */
const BACK_MS = 90_000;
/** A request's own time, in ms. */
const DEADLINE_MS = 3_000;
const CLI = packageRoot('dist/src/cli/index.js');

interface Answer {
  readonly status: number;
  readonly ms: number;
  readonly data?: Record<string, { nodes: { id: string; title: string }[] } | null> | null;
  readonly errors?: { message: string; extensions: { code: string; reason?: string } }[];
}

const skip = skipMilvus();

describe.skipIf(skip !== undefined)(
  `a gateway on the real Milvus${skip === undefined ? '' : ` (${skip})`}`,
  () => {
    let milvus: Milvus;
    let folder: string;
    let server: RunningServer;
    let flags: Record<string, string>;
    let asked = 0;

    const ask = async (query: string, variables: Record<string, unknown> = {}): Promise<Answer> => {
      const started = performance.now();
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
      });
      const body = (await response.json()) as Pick<Answer, 'data' | 'errors'>;
      return { status: response.status, ms: performance.now() - started, ...body };
    };
    /** A search that no cache knows. */
    const search = (): Promise<Answer> => {
      asked += 1;
      return ask(`{ search(query: "lamp number ${String(asked)}") { nodes { id title } } }`);
    };
    const ready = async (): Promise<boolean> => (await fetch(`${server.url}/readyz`)).ok;
    const settings = (): string[] =>
      Object.entries(flags).flatMap(([key, value]) => ['--set', `${key}=${value}`]);

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'kindred-on-milvus-'));
      milvus = await startMilvus();
      flags = {
        data: folder,
        'store.adapter': 'milvus',
        'store.milvus.address': milvus.address,
        'store.milvus.timeoutMs': '2000',
        'store.milvus.writeTimeoutMs': '20000',
        'server.deadlineMs': String(DEADLINE_MS),
        'models.versions': 'v2',
        'import.batchSize': '32',
      };
    });
    afterAll(async () => {
      await server.stop();
      await milvus.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it('X13: an import that is killed half way ends with every row once, like one that was not', async () => {
      const file = packageRoot('deploy/sample/products.jsonl');
      const importing = () =>
        spawn(process.execPath, [CLI, 'import', file, ...settings()], {
          stdio: ['ignore', 'ignore', 'pipe'],
        });
      const killed = importing();
      for await (const chunk of killed.stderr) {
        const share = /(\d+)%/.exec(String(chunk))?.[1];
        if (Number(share ?? 0) >= 10) break;
      }
      killed.kill('SIGKILL');
      expect((await once(killed, 'exit'))[1]).toBe('SIGKILL');
      const [code] = (await once(importing(), 'exit')) as [number | null];
      expect(code).toBe(0);
      const { stdout } = spawnSync(process.execPath, [CLI, 'models', '--json', ...settings()], {
        encoding: 'utf8',
      });
      expect(JSON.parse(stdout)).toMatchObject([{ id: 'v2', rows: 420 }]);
      server = await startServer(flags);
      const store = createMilvusStore(milvusOptions(milvus));
      const [name = ''] = await store.list();
      expect(name).toMatch(/^product__v2__/);
      await expect
        .poll(() => store.aliases?.list(), { timeout: BACK_MS })
        .toEqual(new Map([['product__stable', name]]));
      await store.close();
      await expect.poll(ready, { timeout: BACK_MS }).toBe(true);
      const { data } = await ask('{ models { id searchModes } }');
      expect(data).toEqual({ models: [{ id: 'v2', searchModes: ['SEMANTIC'] }] });
    });

    it('searches, recommends and filters', async () => {
      const { data, errors } = await ask(
        '{ search(query: "sore knees when weeding", first: 3, filter: { inStock: { eq: true } }) { nodes { id title } } recommend(like: [{ id: "wh-0150" }], first: 2) { nodes { id title } } }',
      );
      expect(errors).toBeUndefined();
      expect(data?.search?.nodes).toHaveLength(3);
      expect(data?.recommend?.nodes).toHaveLength(2);
      expect(data?.recommend?.nodes.map(({ id }) => id)).not.toContain('wh-0150');
    });

    it('F1: takes filter strings as values, whatever stands in them', async () => {
      const hostile = [
        '" or 1==1 or "',
        '\\"',
        "'",
        '\\\\',
        '%',
        'like',
        'json_contains(brand, 1)',
        '“”',
        '/* */ --',
        '\u0000',
      ];
      for (const brand of hostile) {
        const { data, errors } = await ask(
          'query ($brand: String!) { search(query: "lamp", filter: { brand: { eq: $brand } }) { nodes { id } } }',
          { brand },
        );
        expect(errors ?? data?.search?.nodes, brand).toEqual([]);
      }
    });

    it.each<[string, unknown, string]>([
      ['V1: of another dimension', [1, 2, 3], 'DIMENSION_MISMATCH'],
      ['V1: of no dimension', [], 'DIMENSION_MISMATCH'],
      ['V3: of zeros', new Array<number>(384).fill(0), 'ZERO_NORM'],
      ['V2: over the range of float32', new Array<number>(384).fill(1e39), 'NOT_FINITE'],
    ])('refuses a vector %s before Milvus is asked', async (_, vector, reason) => {
      const { status, errors } = await ask(
        'query ($vector: Vector!) { recommend(like: [{ vector: $vector }]) { nodes { id } } }',
        { vector },
      );
      expect(status).toBe(400);
      expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', reason });
    });

    it('V5, V6: an id that is not there and a version that is not there are refused', async () => {
      const missing = await ask('{ recommend(like: [{ id: "none" }]) { nodes { id } } }');
      expect(missing.errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'NOT_FOUND' });
      const other = await ask('{ search(query: "x", modelVersion: "v1") { nodes { id } } }');
      expect(other.errors?.[0]?.extensions.code).toBe('MODEL_VERSION_NOT_FOUND');
    });

    it('X1: requests fail typed and in time while Milvus is killed under load, and the same process answers when it is back', async () => {
      const answers: Answer[] = [];
      let loading = true;
      const loads = Array.from({ length: 8 }, async () => {
        while (loading) answers.push(await search());
      });
      await expect.poll(() => answers.length, { timeout: BACK_MS }).toBeGreaterThan(50);
      expect(answers.filter(({ errors }) => errors !== undefined)).toEqual([]);
      await milvus.kill();
      await expect.poll(() => answers.at(-1)?.status, { timeout: BACK_MS }).toBe(503);
      await expect.poll(ready, { timeout: BACK_MS }).toBe(false);
      await milvus.restart();
      await expect.poll(() => answers.at(-1)?.status, { timeout: BACK_MS }).toBe(200);
      await expect.poll(ready, { timeout: BACK_MS }).toBe(true);
      loading = false;
      await Promise.all(loads);
      const failed = answers.filter(({ status }) => status !== 200);
      expect(failed.length).toBeGreaterThan(0);
      for (const { status, errors, ms } of failed) {
        expect([503, 504]).toContain(status);
        expect(['UPSTREAM_UNAVAILABLE', 'DEADLINE_EXCEEDED']).toContain(errors?.[0]?.extensions.code);
        expect(errors?.[0]?.message).not.toContain(milvus.address);
        expect(ms).toBeLessThan(DEADLINE_MS + 2_000);
      }
      expect((await search()).data?.search?.nodes).toHaveLength(10);
    });

    it('X2: requests keep to their deadline while Milvus is frozen', async () => {
      milvus.freeze();
      try {
        const answers = await Promise.all(Array.from({ length: 20 }, search));
        for (const { status, ms } of answers) {
          expect([503, 504]).toContain(status);
          expect(ms).toBeLessThan(DEADLINE_MS + 2_000);
        }
      } finally {
        milvus.thaw();
      }
      await expect.poll(async () => (await search()).status, { timeout: BACK_MS }).toBe(200);
    });

    it('X16: a collection that is dropped under a gateway makes it unready and is an error, never an empty answer', async () => {
      const store = createMilvusStore(milvusOptions(milvus));
      await store.aliases?.drop('product__stable');
      for (const name of await store.list()) await store.drop(name);
      await store.close();
      await expect.poll(ready, { timeout: BACK_MS }).toBe(false);
      const { status, errors } = await search();
      expect(status).toBe(503);
      expect(errors?.[0]?.extensions.code).toBe('UPSTREAM_UNAVAILABLE');
    });
  },
);
