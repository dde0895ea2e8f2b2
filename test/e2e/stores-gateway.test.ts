import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { faissPackage, skipFaiss } from '../faiss.js';
import type { ModelServer } from '../model-server.js';
import { startPineconeServer } from '../pinecone-server.js';
import { type RunningServer, startServer } from '../server-process.js';

const CLI = packageRoot('dist/src/cli/index.js');

interface Page {
  readonly nodes: { readonly id: string; readonly price: number | null }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

interface Answer {
  readonly data?: Record<string, Page> | null;
  readonly errors?: { readonly extensions: { readonly code: string } }[];
}

/** What a gateway on another store than the default has to answer, as processes of their own: the import, the server. */
function describeGateway(
  name: string,
  skip: string | undefined,
  settings: () => Promise<Record<string, string>>,
  tearDown?: () => Promise<void>,
): void {
  describe.skipIf(skip !== undefined)(`a gateway on ${name}${skip === undefined ? '' : ` (${skip})`}`, () => {
    let folder: string;
    let flags: Record<string, string>;
    let server: RunningServer;

    const kindred = async (...args: string[]): Promise<{ code: number | null; out: string; err: string }> => {
      const more = Object.entries(flags).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
      // Not spawnSync: the Pinecone server is in this process.
      const child = spawn(process.execPath, [CLI, ...args, ...more], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [out, err] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
      const [code] = (await once(child, 'exit')) as [number | null];
      return { code, out, err };
    };
    const ask = async (query: string): Promise<Answer> => {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      });
      return (await response.json()) as Answer;
    };

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), `kindred-on-${name}-`));
      flags = { data: folder, 'models.versions': 'v1', 'models.stable': 'v1', ...(await settings()) };
      const { code, err } = await kindred('import', packageRoot('deploy/sample/products.jsonl'));
      expect(err).toContain('100%');
      expect(code).toBe(0);
      server = await startServer(flags);
    });
    afterAll(async () => {
      await server.stop();
      await tearDown?.();
      rmSync(folder, { recursive: true, force: true });
    });

    const PAGE = 'nodes { id price } pageInfo { hasNextPage endCursor }';

    it('pages through a filtered search, without a repeat', async () => {
      const asked = `query: "something for the garden", filter: { price: { lte: 40 } }, first: 25`;
      const { data: first } = await ask(`{ search(${asked}) { ${PAGE} } }`);
      const cursor = first?.search?.pageInfo.endCursor ?? '';
      const { data: second } = await ask(`{ search(${asked}, after: "${cursor}") { ${PAGE} } }`);
      const nodes = [...(first?.search?.nodes ?? []), ...(second?.search?.nodes ?? [])];
      expect(nodes).toHaveLength(50);
      expect(new Set(nodes.map(({ id }) => id)).size).toBe(50);
      expect(nodes.every(({ price }) => price !== null && price <= 40)).toBe(true);
    });

    it('recommends by an item, and leaves that item out', async () => {
      const { data } = await ask(`{ recommend(like: [{ id: "wh-0150" }], first: 5) { ${PAGE} } }`);
      expect(data?.recommend?.nodes).toHaveLength(5);
      expect(data?.recommend?.nodes.map(({ id }) => id)).not.toContain('wh-0150');
    });

    it('skips what is unchanged when the same file is imported beside the running server', async () => {
      const { code, out } = await kindred('import', packageRoot('deploy/sample/products.jsonl'));
      expect({ code, out }).toMatchObject({
        code: 0,
        out: expect.stringContaining('v1: 0 imported, 420 unchanged') as string,
      });
      const { code: verified } = await kindred(
        'store',
        'verify',
        packageRoot('deploy/sample/products.jsonl'),
      );
      expect(verified).toBe(0);
    });
  });
}

describeGateway('FAISS', skipFaiss(), () =>
  Promise.resolve({ 'store.adapter': 'faiss', 'store.faiss.package': faissPackage() }),
);

let pinecone: ModelServer | undefined;
describeGateway(
  'a server of the Pinecone API',
  undefined,
  async () => {
    pinecone = await startPineconeServer({ dimension: 256 });
    return {
      'store.adapter': 'pinecone',
      'store.pinecone.apiKey': 'test-key',
      'store.pinecone.hosts': pinecone.url,
    };
  },
  async () => pinecone?.stop(),
);
