import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import { type Domain, type Gateway, openDomain, openGateway } from '../src/main.js';
import { writeColourBundle } from './image-graphs.js';
import { type Rgb, hugePng, plain } from './images.js';
import { createHarness, faultOf } from './schema-harness.js';

const RED: Rgb = [250, 5, 5];
const BLUE: Rgb = [5, 5, 250];
const EMBED = `query ($inputs: [EmbedInput!]!) {
  embed(inputs: $inputs) {
    ... on Embedding { vector tokens modelVersion { id } }
    ... on EmbedFailure { code reason message index }
  }
}`;

interface Answer {
  readonly data?: Record<string, unknown> & { embed?: Record<string, unknown>[] };
  readonly errors?: { message: string; extensions: Record<string, unknown> }[];
}

let folder: string;
let domain: Domain;
let gateway: Gateway;
let red: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-image-gateway-'));
  await writeColourBundle(join(folder, 'colours'), 'colours', 'dual');
  const flags = {
    'server.port': '0',
    'server.drainMs': '0',
    'server.bodyLimitBytes': '8000000',
    'store.adapter': 'memory',
    'log.level': 'silent',
    'models.folder': folder,
    'models.versions': 'colours',
    'models.stable': 'colours',
    'embedding.threads': '1',
    'images.enabled': 'true',
    'images.maxBytes': '1000000',
    'images.urls.enabled': 'true',
    data: folder,
  };
  domain = await openDomain(loadConfig({ env: {}, flags }));
  gateway = await openGateway(domain);
  red = (await plain(RED).png().toBuffer()).toString('base64');
});
afterAll(async () => {
  await gateway.close();
  await domain.close();
  await rm(folder, { recursive: true, force: true });
});

async function post(query: string, variables: object): Promise<{ status: number; answer: Answer }> {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, answer: (await response.json()) as Answer };
}

async function embed(...inputs: object[]): Promise<Record<string, unknown>[]> {
  const { answer } = await post(EMBED, { inputs });
  if (!answer.data?.embed) throw new Error(JSON.stringify(answer.errors));
  return answer.data.embed;
}

describe('images through GraphQL', () => {
  it('embeds images beside texts, in their order', async () => {
    const blue = `data:image/jpeg;base64,${(await plain(BLUE).jpeg().toBuffer()).toString('base64')}`;
    const results = await embed({ image: { base64: red } }, { text: 'green' }, { image: { base64: blue } });
    const axes = results.map(({ vector }) => (vector as number[]).indexOf(Math.max(...(vector as number[]))));
    expect(axes).toEqual([0, 1, 2]);
    expect(results[0]).toMatchObject({ tokens: 0, modelVersion: { id: 'colours' } });
  });

  it('I1, I2, I3, I5: an image that is refused fails alone, as data', async () => {
    const base64 = (bytes: Buffer): object => ({ image: { base64: bytes.toString('base64') } });
    const results = await embed(
      { image: { base64: '!!!' } },
      { image: { base64: '!'.repeat(2_000_000) } },
      base64(hugePng(16_000, 16_000)),
      base64(Buffer.from('<svg/>')),
      { image: { base64: red } },
    );
    expect(results.map(({ code, reason, index }) => [code, reason, index])).toEqual([
      ['BAD_USER_INPUT', 'BAD_IMAGE', 0],
      ['BAD_USER_INPUT', 'IMAGE_TOO_LARGE', 1],
      ['BAD_USER_INPUT', 'IMAGE_TOO_LARGE', 2],
      ['BAD_USER_INPUT', 'UNSUPPORTED_IMAGE', 3],
      [undefined, undefined, undefined],
    ]);
  });

  it('I2: a body of 20 MiB is 413 before anything reads it', async () => {
    const { status } = await post(EMBED, { inputs: [{ image: { base64: 'A'.repeat(20 * 2 ** 20) } }] });
    expect(status).toBe(413);
  });

  it('U1, U2, U6, U8: URLs of all kinds that are refused get the same answer', async () => {
    const urls = [
      'file:///etc/passwd',
      'http://a.example/',
      'https://127.0.0.1/',
      'https://[::1]:443/',
      'https://u:p@a.example/',
    ];
    const results = await embed(...urls.map((url) => ({ image: { url } })));
    const [first] = results;
    expect(first).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'BAD_URL' });
    results.forEach((result, index) => expect(result).toEqual({ ...first, index }));
  });

  it.each([{}, { base64: 'AAAA', url: 'https://a.example/' }, { base64: null }])(
    'refuses the image %j, which is not exactly one',
    async (image) => {
      const { status, answer } = await post(EMBED, { inputs: [{ image }] });
      expect(status).toBe(400);
      expect(answer.data?.embed).toBeUndefined();
    },
  );

  it('recommends by an image as by a text or a vector', async () => {
    const [served] = domain.registry.served();
    await served!.collection.upsert(
      [
        ['warm', [1, 0, 0]],
        ['cold', [0, 0, 1]],
      ].map(([id, vector]) => ({
        item: { id: id as string, fields: { title: id as string } },
        vector: Float32Array.from(vector as number[]),
        hash: id as string,
      })),
    );
    const recommend = `query ($like: [ExampleInput!]!, $after: String) {
      recommend(like: $like, first: 1, after: $after) { nodes { id } pageInfo { endCursor } }
    }`;
    const like = [{ image: { base64: red } }];
    const { answer } = await post(recommend, { like });
    expect(answer.data?.recommend).toMatchObject({ nodes: [{ id: 'warm' }] });
    const { endCursor: after } = (answer.data?.recommend as { pageInfo: { endCursor: string } }).pageInfo;
    expect((await post(recommend, { like, after })).answer.data?.recommend).toMatchObject({
      nodes: [{ id: 'cold' }],
    });
    const other = [{ image: { base64: (await plain(BLUE).png().toBuffer()).toString('base64') } }];
    expect((await post(recommend, { like: other, after })).answer.errors?.[0]?.extensions).toMatchObject({
      reason: 'BAD_CURSOR',
    });
  });

  it('costs more than a text', async () => {
    const many = Array.from({ length: 64 }, () => ({ image: { base64: 'AAAA' } }));
    const fields = Array.from(
      { length: 2 },
      (_, at) => `a${String(at)}: embed(inputs: $inputs) { __typename }`,
    );
    const { answer } = await post(`query ($inputs: [EmbedInput!]!) { ${fields.join(' ')} }`, {
      inputs: many,
    });
    expect(answer.errors?.[0]?.extensions).toMatchObject({ reason: 'TOO_COSTLY' });
  });
});

describe('a gateway without images', () => {
  it('answers FEATURE_UNSUPPORTED for a version that reads none, by its name', async () => {
    const harness = await createHarness({ flags: { 'images.enabled': 'true' } });
    const { data } = await harness.run(EMBED, { inputs: [{ image: { base64: red } }, { text: 'thing' }] });
    expect(data?.embed).toMatchObject([
      { code: 'FEATURE_UNSUPPORTED', message: 'the model version v2 reads no images', index: 0 },
      { modelVersion: { id: 'v2' } },
    ]);
    const recommended = await harness.run(
      `query ($base64: String!) { recommend(like: [{ image: { base64: $base64 } }]) { nodes { id } } }`,
      { base64: red },
    );
    expect(faultOf(recommended)).toMatchObject({ code: 'FEATURE_UNSUPPORTED' });
  });
});
