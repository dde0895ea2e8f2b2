import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import { type Domain, type Gateway, openDomain, openGateway } from '../src/main.js';
import { postJson } from './rest-server.js';

interface GraphQLEmbed {
  data: { embed: { base64: string }[] };
}

let folder: string;
let domain: Domain;
let gateway: Gateway;
let client: OpenAI;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-rest-'));
  const flags = {
    'server.port': '0',
    'server.drainMs': '0',
    'store.adapter': 'memory',
    'log.level': 'silent',
    data: folder,
  };
  domain = await openDomain(loadConfig({ env: {}, flags }));
  gateway = await openGateway(domain);
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'unused', maxRetries: 0 });
});

afterAll(async () => {
  await gateway.close();
  await domain.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each([
  ['v1', 256],
  ['v2', 384],
])("OpenAI's client before the real model %s", (model, dimension) => {
  it('gets vectors of its dimension that tell meanings apart', async () => {
    const input = ['gloves for gardening', 'a pair of garden gloves', 'usb charging cable'];
    const { data, usage } = await client.embeddings.create({ model, input });
    const [query = [], near = [], far = []] = data.map(({ embedding }) => Array.from(embedding));
    expect(query).toHaveLength(dimension);
    expect(dot(query, query)).toBeCloseTo(1, 4);
    expect(dot(query, near)).toBeGreaterThan(dot(query, far) + 0.2);
    expect(usage.prompt_tokens).toBeGreaterThan(input.length);
    expect(usage.total_tokens).toBe(usage.prompt_tokens);
  });

  it('gets what GraphQL answers', async () => {
    const text = 'sore knees when weeding';
    const rest = await client.embeddings.create({ model, input: text });
    const { body } = await postJson(`${gateway.url}/graphql`, {
      query: `query ($text: String!, $version: ID!) {
        embed(inputs: [{ text: $text }], modelVersion: $version) { ... on Embedding { base64 } }
      }`,
      variables: { text, version: model },
    });
    const bytes = Buffer.from((body as GraphQLEmbed).data.embed[0]?.base64 ?? '', 'base64');
    expect(Array.from(rest.data[0]?.embedding ?? [])).toEqual(
      Array.from({ length: dimension }, (_, index) => bytes.readFloatLE(index * 4)),
    );
  });
});

it('V6: the client gets NotFoundError for a version that the gateway does not have', async () => {
  await expect(client.embeddings.create({ model: 'v9', input: 'a' })).rejects.toBeInstanceOf(NotFoundError);
});

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
}
