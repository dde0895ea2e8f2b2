import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMilvusStore } from '../src/vectors/milvus.js';
import type { MilvusOptions } from '../src/vectors/milvus-options.js';
import type { VectorStore } from '../src/vectors/store.js';
import { type Authority, type Certificate, createAuthority } from './certificates.js';
import { record, unitVector } from './conformance/harness.js';
import { type Milvus, milvusOptions, skipMilvus, startMilvus } from './milvus.js';

const skip = skipMilvus();
const SPEC = { name: 'Access', dimension: 8, fields: [] };
const TOKEN = 'root:Milvus';

describe.skipIf(skip !== undefined)(
  `access to the real Milvus${skip === undefined ? '' : ` (${skip})`}`,
  () => {
    let milvus: Milvus;
    let authority: Authority;
    const closers: (() => Promise<unknown>)[] = [];

    /** Does `work` with a store. */
    const withStore = async <T>(
      over: Partial<MilvusOptions>,
      work: (store: VectorStore) => Promise<T>,
    ): Promise<T> => {
      const store = createMilvusStore({ ...milvusOptions(milvus), writeTimeoutMs: 30_000, ...over });
      try {
        return await work(store);
      } finally {
        await store.close();
      }
    };
    /** Opens, writes and searches. */
    const use = (over: Partial<MilvusOptions>): Promise<unknown> =>
      withStore(over, async (store) => {
        const collection = await store.open(SPEC);
        await collection.upsert([record('a', {}, unitVector(1))]);
        return collection.search([unitVector(1)], { limit: 1 });
      });
    /** TLS before Milvus; answers its address. */
    const tlsBefore = async ({ key, cert }: Certificate, clients?: string): Promise<string> => {
      const settings = { key, cert, ALPNProtocols: ['h2'] };
      const asking =
        clients === undefined ? {} : { ca: clients, requestCert: true, rejectUnauthorized: true };
      const server = createServer({ ...settings, ...asking }, (socket) => {
        const upstream = createConnection(milvus.port, '127.0.0.1');
        socket.pipe(upstream).pipe(socket);
        for (const each of [socket, upstream]) each.on('error', () => socket.destroy());
      });
      server.on('tlsClientError', () => undefined);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      closers.push(() => new Promise((resolve) => server.close(resolve)));
      const address = server.address();
      return `https://127.0.0.1:${String(typeof address === 'object' ? address?.port : '')}`;
    };

    beforeAll(async () => {
      authority = createAuthority();
      milvus = await startMilvus({ settings: { 'common.security.authorizationEnabled': true } });
    });
    afterAll(async () => {
      await Promise.all(closers.map((close) => close()));
      await milvus.close();
      authority.close();
    });

    it('takes user and password as a token', async () => {
      expect(await use({ token: TOKEN })).toMatchObject([[{ id: 'a' }]]);
    });

    it.each([null, 'root:wrong', 'nobody:Milvus', 'no-such-api-key'])(
      'refuses the token %s, and shows it nowhere',
      async (token) => {
        const failure = (await use({ token }).then(
          () => 'it answered',
          (error: unknown) => error,
        )) as Error;
        expect(failure).toMatchObject({
          code: 'UPSTREAM_UNAVAILABLE',
          message: expect.stringContaining('credentials') as string,
        });
        expect(failure.message).not.toContain('wrong');
      },
    );

    it('refuses a search with a token that was taken for writes and has changed since', async () => {
      const { MilvusClient } = await import('@zilliz/milvus2-sdk-node');
      const root = new MilvusClient({ address: milvus.address, token: TOKEN, telemetry: { enabled: false } });
      await root.createUser({ username: 'reader', password: 'secret-1' });
      await root.addUserToRole({ username: 'reader', roleName: 'admin' });
      await withStore({ token: 'reader:secret-1' }, async (store) => {
        const collection = await store.open(SPEC);
        await collection.search([unitVector(1)], { limit: 1 });
        await root.deleteUser({ username: 'reader' });
        await expect
          .poll(
            () =>
              collection.search([unitVector(1)], { limit: 1 }).then(
                () => '',
                (error: unknown) => (error as Error).message,
              ),
            { timeout: 30_000 },
          )
          .toContain('credentials');
      });
      await root.closeConnection();
    });

    it('X17: speaks TLS with a server whose authority it is told, and with no other', async () => {
      const address = await tlsBefore(authority.certify('good', '20200101', '20490101'));
      const tls = { caFile: authority.caFile, certFile: null, keyFile: null, serverName: null };
      expect(await use({ address, token: TOKEN, tls })).toMatchObject([[{ id: 'a' }]]);
      await expect(use({ address, token: TOKEN })).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    });

    it('X17: refuses a certificate that has expired', async () => {
      const address = await tlsBefore(authority.certify('expired', '20200101', '20200102'));
      const tls = { caFile: authority.caFile, certFile: null, keyFile: null, serverName: null };
      await expect(use({ address, token: TOKEN, tls })).rejects.toMatchObject({
        code: 'UPSTREAM_UNAVAILABLE',
      });
    });

    it('shows its own certificate where the server asks for one', async () => {
      const address = await tlsBefore(authority.certify('mutual', '20200101', '20490101'), authority.ca);
      const { certFile, keyFile } = authority.certify('client', '20200101', '20490101');
      const tls = { caFile: authority.caFile, certFile, keyFile, serverName: null };
      expect(await use({ address, token: TOKEN, tls })).toMatchObject([[{ id: 'a' }]]);
      await expect(
        use({ address, token: TOKEN, tls: { ...tls, certFile: null, keyFile: null } }),
      ).rejects.toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
    });
  },
);
