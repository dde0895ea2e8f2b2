import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Remote, isRemote, readRemote } from '../src/models/remote.js';

const MANIFEST = {
  id: 'far',
  name: 'Far',
  protocol: 'openai',
  url: 'https://models.example/v1',
  model: 'small',
  dimension: 2,
  maxTokens: 512,
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-remote-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function read(facts: Record<string, unknown>, env: Record<string, string> = {}): Promise<Remote> {
  await writeFile(join(folder, 'remote.json'), JSON.stringify({ ...MANIFEST, ...facts }));
  return readRemote(folder, env);
}

const base64 = (...numbers: number[]): string =>
  Buffer.from(new Float32Array(numbers).buffer).toString('base64');

describe('remote.json', () => {
  it('needs little more than where the server is and what its model is called', async () => {
    expect(isRemote(folder)).toBe(false);
    const { manifest, digest } = await read({});
    expect(isRemote(folder)).toBe(true);
    expect(manifest).toMatchObject({
      encoding: 'base64',
      concurrency: 4,
      prompts: { query: '', document: '' },
    });
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('takes secrets from the environment, without the line break of a secret file', async () => {
    const headers = { Authorization: 'Bearer ${KEY}', 'X-Team': 'search' };
    const remote = await read({ headers }, { KEY: 's3cret\n' });
    expect(remote.headers).toEqual({ authorization: 'Bearer s3cret', 'x-team': 'search' });
    expect(JSON.stringify(remote.manifest)).not.toContain('s3cret');
  });

  it('names every fault at once, and no secret', async () => {
    const headers = { a: '${MISSING}', b: '${BROKEN}' };
    const reading = read(
      { headers, tls: { ca: 'none.pem' }, probe: { text: 'a', vector: base64(3, 4) } },
      { BROKEN: 'sec\r\nret' },
    );
    await expect(reading).rejects.toThrow(
      /headers\.a: expected the environment variable MISSING.*headers\.b: expected no line breaks.*probe\.vector: expected norm 1, but got 5.*tls\.ca/,
    );
    await expect(reading).rejects.not.toThrow(/ret;/);
  });

  it.each([
    ['no JSON object', [], /expected/],
    ['an unknown protocol', { protocol: 'smtp' }, /protocol/],
    ['an unknown member', { protokol: 1 }, /protokol/],
    ['a file as address', { url: 'file:///etc/passwd' }, /url/],
    ['a password in the address', { url: 'https://user:pass@models.example' }, /url: expected no user/],
    ['a query in the address', { url: 'https://models.example?key=1' }, /url: expected no user/],
    [
      'a probe of another dimension',
      { probe: { text: 'a', vector: base64(1) } },
      /expected 2 float32 numbers/,
    ],
    ['a header with a line break in its name', { headers: { 'a\nb': '1' } }, /headers/],
    ['an option of another protocol', { signature: 'x' }, /signature/],
  ])('with %s is refused by the name of the member', async (_, facts, message) => {
    await expect(read(Array.isArray(facts) ? { id: facts } : facts)).rejects.toThrow(message);
  });

  it('has another digest when anything that changes a vector changes, and the same one otherwise', async () => {
    const { digest } = await read({});
    const changing = [
      { url: 'https://other.example/v1' },
      { model: 'large' },
      { dimension: 3 },
      { revision: '2' },
      { prompts: { query: 'query: ' } },
      { prompts: { document: 'query: ' } },
      { parameters: { dimensions: 2 } },
      { protocol: 'open-inference' },
      { protocol: 'open-inference', version: '2' },
      { protocol: 'open-inference', outputs: { embedding: 'other' } },
      { protocol: 'tensorflow-serving' },
      { protocol: 'tensorflow-serving', signature: 'other' },
    ];
    const digests = [digest];
    for (const facts of changing) digests.push((await read(facts)).digest);
    expect(new Set(digests).size).toBe(changing.length + 1);

    for (const facts of [
      { name: 'Other' },
      { concurrency: 9 },
      { encoding: 'float' },
      { headers: { a: 'b' } },
      { retries: 0 },
    ])
      expect((await read(facts)).digest).toBe(digest);
  });
});
