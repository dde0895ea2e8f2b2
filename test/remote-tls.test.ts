import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Embedder } from '../src/embedding/embedder.js';
import { asEmbedding } from './conformance/embedder.js';
import type { ModelServer } from './model-server.js';
import { startOpenAiServer } from './openai-server.js';
import { openRemote, remoteOf } from './remotes.js';

interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Part of every Debian; a machine without it fails these tests with ENOENT. */
const OPENSSL = 'openssl';

let folder: string;
let ca: string;
let good: Certificate;
let expired: Certificate;
let server: ModelServer;
let embedder: Embedder | undefined;

const openssl = (...args: string[]): void => void execFileSync(OPENSSL, args, { cwd: folder, stdio: 'pipe' });

/** A certificate of the local CA for 127.0.0.1, good from one date (YYYYMMDD) to another. */
function certify(name: string, from: string, to: string): Certificate {
  openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
  );
  const dates = ['-startdate', `${from}000000Z`, '-enddate', `${to}000000Z`];
  openssl(
    'ca',
    '-batch',
    '-notext',
    '-config',
    'ca.cnf',
    ...dates,
    '-in',
    `${name}.csr`,
    '-out',
    `${name}.pem`,
  );
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  return { key: read(`${name}.key`), cert: read(`${name}.pem`) };
}

const CONFIG = `[ca]
default_ca = local
[local]
database = index.txt
new_certs_dir = .
rand_serial = yes
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = policy
x509_extensions = extensions
unique_subject = no
[policy]
commonName = supplied
[extensions]
subjectAltName = IP:127.0.0.1
`;

const open = async (trusted: string | undefined): Promise<Embedder> => {
  const facts = { protocol: 'openai', model: 'bag-of-words', breaker: { failures: 2, probeMs: 50 } };
  embedder = await openRemote(remoteOf({ ...facts, url: `${server.url}/v1` }, { ca: trusted }));
  return embedder;
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kindred-tls-'));
  writeFileSync(join(folder, 'ca.cnf'), CONFIG);
  writeFileSync(join(folder, 'index.txt'), '');
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=Local CA',
    '-days',
    '30',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
  );
  ca = readFileSync(join(folder, 'ca.pem'), 'utf8');
  good = certify('good', '20200101', '20490101');
  expired = certify('expired', '20200101', '20200102');
});
afterAll(() => {
  rmSync(folder, { recursive: true });
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
