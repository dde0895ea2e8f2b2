import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CryptoKey, type JWK, SignJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import { type ClaimReader, createClaimReader } from '../src/http/claims.js';
import { packageRoot } from '../src/package-root.js';
import { type RunningServer, startServer } from './server-process.js';

interface Signer {
  readonly key: CryptoKey;
  readonly jwk: JWK;
  readonly pem: string;
}
async function makeSigner(kid: string, algorithm = 'ES256'): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm);
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: algorithm };
  return { key: privateKey, jwk, pem: await exportSPKI(publicKey) };
}
const sign = (signer: Signer, claims: Record<string, unknown>, until = '1h'): Promise<string> =>
  new SignJWT({ iss: 'shop', aud: 'kindred', ...claims })
    .setProtectedHeader({ alg: signer.jwk.alg ?? '', kid: signer.jwk.kid })
    .setExpirationTime(until)
    .sign(signer.key);
const bearer = async (token: Promise<string>): Promise<string> => `Bearer ${await token}`;

let signer: Signer;
let other: Signer;
beforeAll(async () => {
  [signer, other] = [await makeSigner('one'), await makeSigner('two', 'RS256')];
});

describe('what tokens say of requests', () => {
  let server: Server;
  let asked: number;
  let keys: JWK[];
  let answers: boolean;
  let warnings: unknown[];
  beforeEach(async () => {
    [asked, keys, answers, warnings] = [0, [signer.jwk], true, []];
    server = createServer((_request, response) => {
      asked += 1;
      if (answers) response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const open = (flags: Record<string, string> = {}): ClaimReader => {
    const jwks = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/keys`;
    const { claims } = loadConfig({ env: {}, flags: Object.fromEntries(Object.entries(flags)) }).rollout;
    return createClaimReader({
      settings: { ...claims, jwks },
      log: { warn: (fields: unknown) => warnings.push(fields), debug: () => undefined },
    });
  };

  it('is the user by `sub` and the version by its claim; keys are fetched once', async () => {
    const reader = open({ 'rollout.claims.issuer': 'shop', 'rollout.claims.audience': 'kindred' });
    const claims = { sub: 'u1', kindred_model_version: 'v2' };
    expect(await reader.read(await bearer(sign(signer, claims)))).toEqual({ id: 'u1', override: 'v2' });
    expect(await reader.read(await bearer(sign(signer, { sub: 'u2' })))).toEqual({ id: 'u2' });
    expect(await reader.read(await bearer(sign(signer, {})))).toEqual({});
    expect(asked).toBe(1);
  });

  it('is read from the claims that the config names; numbers are ids, too, and other things are none', async () => {
    const reader = open({ 'rollout.claims.subject': 'uid', 'rollout.claims.version': 'model' });
    expect(await reader.read(await bearer(sign(signer, { uid: 7, model: ['v2'], sub: 'no' })))).toEqual({
      id: '7',
    });
    expect(await reader.read(await bearer(sign(signer, { uid: 'x'.repeat(500) })))).toEqual({
      id: 'x'.repeat(256),
    });
  });

  it('takes up a key that came later', async () => {
    const reader = open();
    expect(await reader.read(await bearer(sign(signer, { sub: 'u1' })))).toEqual({ id: 'u1' });
    keys = [other.jwk];
    const fresh = open();
    expect(await fresh.read(await bearer(sign(other, { sub: 'u1' })))).toEqual({ id: 'u1' });
    expect(await fresh.read(await bearer(sign(signer, { sub: 'u1' })))).toEqual({});
  });

  it('counts as nothing when the token is not valid: expired, of others, for others, forged, or none at all', async () => {
    const reader = open({ 'rollout.claims.issuer': 'shop', 'rollout.claims.audience': 'kindred' });
    const good = await sign(signer, { sub: 'u1' });
    const [head = '', body = '', signature = ''] = good.split('.');
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const confused = await new SignJWT({ iss: 'shop', aud: 'kindred', sub: 'u1' })
      .setProtectedHeader({ alg: 'HS256', kid: 'one' })
      .sign(Buffer.from(signer.pem));
    for (const token of [
      await sign(signer, { sub: 'u1' }, '-1s'),
      await sign(signer, { sub: 'u1', iss: 'another' }),
      await sign(signer, { sub: 'u1', aud: 'another' }),
      await sign(other, { sub: 'u1' }),
      `${head}.${encode({ sub: 'u2', iss: 'shop', aud: 'kindred' })}.${signature}`,
      `${encode({ alg: 'none' })}.${body}.`,
      `${encode({ alg: 'none' })}.${body}.${signature}`,
      confused,
      // Whatever it is that a library makes of them, they are no reason to do without the tokens of others.
      `${encode({ alg: 'ES256', kid: 'one', crit: ['odd'], odd: 1 })}.${body}.${signature}`,
      `${encode({ alg: 'ES256', kid: 'one', b64: false, crit: ['b64'] })}.${body}.${signature}`,
      `${encode({ alg: 'ES384', kid: 'one' })}.${body}.${signature}`,
      `${encode({ alg: 'ES256', kid: 1 })}.${body}.${signature}`,
      `${head}.${Buffer.from('no JSON').toString('base64url')}.${signature}`,
      await sign(signer, { sub: 'u1', nbf: 'soon' }),
      'not.a.token',
      'admin-token-of-somebody',
      `${'x'.repeat(9_000)}.${body}.${signature}`,
    ])
      expect(await reader.read(`Bearer ${token}`), token.slice(0, 200)).toEqual({});
    for (const header of [undefined, '', 'Basic dTpw', good]) expect(await reader.read(header)).toEqual({});
    expect(warnings).toEqual([]);
    expect(await reader.read(`bearer ${good}`)).toEqual({ id: 'u1' });
  });

  it('ends with the token, however often it was read before', async () => {
    const reader = open();
    const token = await bearer(sign(signer, { sub: 'u1' }, '1s'));
    expect(await reader.read(token)).toEqual({ id: 'u1' });
    await expect.poll(() => reader.read(token), { timeout: 10_000 }).toEqual({});
  });

  it('X4: is waited for once while the keys are away, and then by nobody for a time', async () => {
    answers = false;
    const reader = open();
    const token = await bearer(sign(signer, { sub: 'u1' }));
    expect(await Promise.all([reader.read(token), reader.read(token)])).toEqual([{}, {}]);
    answers = true;
    for (let turn = 0; turn < 20; turn += 1) expect(await reader.read(token)).toEqual({});
    expect(asked).toBe(1);
    expect(warnings).not.toEqual([]);
    expect(JSON.stringify(warnings)).not.toContain(token.slice(7));
  });
});

describe('a gateway that reads tokens', () => {
  let folder: string;
  let server: RunningServer;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kindred-claims-'));
    writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [signer.jwk] }));
    for (const id of ['v1', 'v2'])
      cpSync(packageRoot('deploy/models/v1'), join(folder, 'models', id), { recursive: true });
    server = await startServer({
      data: join(folder, 'data'),
      'store.adapter': 'memory',
      'embedding.threads': '1',
      'models.folder': join(folder, 'models'),
      'rollout.claims.jwks': pathToFileURL(join(folder, 'keys.json')).href,
    });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const versionFor = async (headers: Record<string, string>): Promise<unknown> => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query: '{ search(query: "lamp", first: 1) { modelVersion { id } } }' }),
    });
    const { data } = (await response.json()) as { data: { search: { modelVersion: { id: string } } } };
    return data.search.modelVersion.id;
  };

  it('answers by the version that a token names, before the header; one that is not valid changes nothing', async () => {
    const authorization = await bearer(sign(signer, { kindred_model_version: 'v1' }));
    expect(await versionFor({})).toBe('v2');
    expect(await versionFor({ authorization })).toBe('v1');
    expect(await versionFor({ authorization, 'x-kindred-model-version': 'v2' })).toBe('v1');
    expect(await versionFor({ 'x-kindred-model-version': 'v1' })).toBe('v1');
    const forged = await bearer(sign(other, { kindred_model_version: 'v1' }));
    expect(await versionFor({ authorization: forged })).toBe('v2');
  });
});
