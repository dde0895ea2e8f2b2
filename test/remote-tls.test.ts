import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Embedder } from '../src/embedding/embedder.js';
import { type Authority, type Certificate, createAuthority } from './certificates.js';
import { asEmbedding } from './conformance/embedder.js';
import type { ModelServer } from './model-server.js';
import { startOpenAiServer } from './openai-server.js';
import { openRemote, remoteOf } from './remotes.js';

let authority: Authority;
let ca: string;
let good: Certificate;
let expired: Certificate;
let server: ModelServer;
let embedder: Embedder | undefined;

const open = async (trusted: string | undefined): Promise<Embedder> => {
  const facts = { protocol: 'openai', model: 'bag-of-words', breaker: { failures: 2, probeMs: 50 } };
  embedder = await openRemote(remoteOf({ ...facts, url: `${server.url}/v1` }, { ca: trusted }));
  return embedder;
};

beforeAll(() => {
  authority = createAuthority();
  ca = authority.ca;
  good = authority.certify('good', '20200101', '20490101');
  expired = authority.certify('expired', '20200101', '20200102');
});
afterAll(() => {
  authority.close();
});
afterEach(async () => {
  await embedder?.close();
  embedder = undefined;
  await server.stop();
});

describe('a remote server with TLS', () => {
  it('X17: is trusted by the CA file of its version, and by no other', async () => {
    server = await startOpenAiServer({ tls: good });
    asEmbedding((await (await open(ca)).embed(['a shoe'], { purpose: 'query' }))[0]);
    await embedder?.close();
    await expect(open(undefined)).rejects.toThrow(/no connection \((UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/);
    await expect(open(good.cert)).rejects.toThrow(/no connection/);
  });

  it('X17: with an expired certificate is not loaded, and the reason says so', async () => {
    server = await startOpenAiServer({ tls: expired });
    await expect(open(ca)).rejects.toThrow('no connection (CERT_HAS_EXPIRED)');
  });

  it('X17: whose certificate expires is refused by the breaker, and is back with a new certificate', async () => {
    server = await startOpenAiServer({ tls: good });
    await open(ca);
    await server.stop();
    await server.start(expired);
    for (let call = 0; call < 2; call++) {
      const [outcome] = (await embedder?.embed([`shoe ${String(call)}`], { purpose: 'query' })) ?? [];
      expect(outcome).toMatchObject({ code: 'MODEL_VERSION_UNAVAILABLE' });
    }
    expect(embedder?.health()).toMatchObject({ ready: false, reason: 'no connection (CERT_HAS_EXPIRED)' });
    await server.stop();
    await server.start(good);
    await vi.waitFor(() => expect(embedder?.health().ready).toBe(true), { timeout: 5_000 });
    asEmbedding((await embedder!.embed(['a shoe'], { purpose: 'query' }))[0]);
  });
});
