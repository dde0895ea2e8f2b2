import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../src/package-root.js';
import { createMilvusStore } from '../src/vectors/milvus.js';
import type { VectorStore } from '../src/vectors/store.js';
import { describeLexicalSearch } from './conformance/lexical.js';
import { accepts, freePort } from './daemon.js';
import { milvusOptions } from './milvus.js';
import { pythonForTests } from './python.js';
import { createHarness, makeItems } from './schema-harness.js';

const { python, skip } = pythonForTests('milvus-lite');

/** Full text search came to Milvus with 2.5, and the newest real server that runs without Docker is 2.3: Lite is the C++ Milvus 2.5 in one process. */
describe.skipIf(skip !== undefined)(
  `Milvus 2.5 in its Lite form${skip === undefined ? '' : ` (${skip})`}`,
  () => {
    let stop: () => Promise<void>;
    let address: string;
    beforeAll(async () => {
      const folder = mkdtempSync(join(tmpdir(), 'kindred-milvus-lite-'));
      const port = await freePort();
      address = `127.0.0.1:${String(port)}`;
      const script = packageRoot('test/python/milvus_lite_server.py');
      const child = spawn(python, [script, join(folder, 'lite.db'), address], { stdio: 'ignore' });
      while (!(await accepts(port)) && child.exitCode === null)
        await new Promise((resolve) => setTimeout(resolve, 50));
      stop = async () => {
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
        rmSync(folder, { recursive: true, force: true });
      };
    });
    afterAll(() => stop());

    /** Lite has no HNSW. */
    const open = (): VectorStore =>
      createMilvusStore(
        milvusOptions(
          { address },
          { index: { type: 'FLAT', params: {}, searchParams: {} }, loadTimeoutMs: 10_000 },
        ),
      );

    describeLexicalSearch('milvus', () => ({ open }));

    it('answers all three modes of a search, and models tells them', async () => {
      const store = open();
      const harness = await createHarness({ store, items: makeItems(40) });
      const ask = async (mode: string): Promise<string[]> => {
        const { data, errors } = await harness.run(
          `{ search(query: "thing 17 kind3", mode: ${mode}, first: 5) { nodes { id } } }`,
        );
        expect(errors).toBeUndefined();
        return (data as { search: { nodes: { id: string }[] } }).search.nodes.map(({ id }) => id);
      };
      for (const mode of ['SEMANTIC', 'LEXICAL', 'HYBRID']) expect((await ask(mode))[0], mode).toBe('p017');
      const { data } = await harness.run('{ models { searchModes } }');
      expect(data).toMatchObject({ models: [{ searchModes: ['SEMANTIC', 'LEXICAL', 'HYBRID'] }, {}] });
      await store.close();
    });
  },
);
