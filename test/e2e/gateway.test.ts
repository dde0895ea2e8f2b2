import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningServer, startServer } from '../server-process.js';

interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly data: T | null | undefined;
  readonly errors?: { message: string; path?: string[]; extensions: Record<string, unknown> }[];
}

interface Page {
  edges: {
    cursor: string;
    score: number;
    node: { id: string; title: string; price: number; category: string } | null;
  }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
  modelVersion: { id: string };
}

let folder: string;
let server: RunningServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-e2e-'));
  server = await startServer({ data: folder, 'log.level': 'info' });
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function ask<T>(query: string, variables: Record<string, unknown> = {}): Promise<Answer<T>> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as Pick<Answer<T>, 'data' | 'errors'>;
  return { status: response.status, headers: response.headers, ...body };
}

const PAGE = `edges { cursor score node { id title price category } } pageInfo { hasNextPage endCursor } modelVersion { id }`;
const SEARCH = `query ($text: String!, $first: Int! = 10, $after: String, $filter: ProductFilter, $version: ID) {
  search(query: $text, first: $first, after: $after, filter: $filter, modelVersion: $version) { ${PAGE} }
}`;

describe('a gateway that started in an empty data folder', () => {
  it('has imported the sample and is ready', async () => {
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    const { data } = await ask<{ models: { id: string; dimension: number; health: string; role: string }[] }>(
      '{ models { id dimension health role } }',
    );
    expect(data?.models).toEqual([
      { id: 'v1', dimension: 256, health: 'READY', role: 'IDLE' },
      { id: 'v2', dimension: 384, health: 'READY', role: 'STABLE' },
    ]);
  });

  it.each(['v1', 'v2', 'stable', null])(
    'finds a product by meaning with model version %s',
    async (version) => {
      const { status, data, errors } = await ask<{ search: Page }>(SEARCH, {
        text: 'sore knees when weeding',
        version,
      });
      expect(errors).toBeUndefined();
      expect(status).toBe(200);
      expect(data?.search.edges).toHaveLength(10);
      expect(data?.search.modelVersion.id).toBe(version === 'v1' ? 'v1' : 'v2');
      expect(data?.search.edges.map((edge) => edge.node?.id)).toContain('wh-0114');
      const scores = data?.search.edges.map((edge) => edge.score) ?? [];
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
    },
  );

  it('filters by typed fields', async () => {
    const { data } = await ask<{ search: Page }>(SEARCH, {
      text: 'a present for someone who likes coffee',
      filter: { and: [{ price: { lte: 30 } }, { category: { in: ['Coffee & Tea', 'Kitchen'] } }] },
      first: 50,
    });
    const nodes = data?.search.edges.map((edge) => edge.node) ?? [];
    expect(nodes.length).toBeGreaterThan(3);
    for (const node of nodes) {
      expect(node?.price).toBeLessThanOrEqual(30);
      expect(['Coffee & Tea', 'Kitchen']).toContain(node?.category);
    }
  });

  it('pages through 100 results without repeat or gap', async () => {
    const whole = await ask<{ search: Page }>(SEARCH, { text: 'outdoor', first: 100 });
    const expected = whole.data?.search.edges.map((edge) => edge.node?.id);
    const seen: (string | undefined)[] = [];
    let after: string | null = null;
    while (seen.length < 100) {
      const { data }: Answer<{ search: Page }> = await ask(SEARCH, { text: 'outdoor', first: 7, after });
      expect(data?.search.edges.length).toBeGreaterThan(0);
      seen.push(...(data?.search.edges.map((edge) => edge.node?.id) ?? []));
      after = data?.search.pageInfo.endCursor ?? null;
    }
    expect(seen.slice(0, 100)).toEqual(expected);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('recommends from examples by id, text and vector, and never returns what was liked', async () => {
    const embedded = await ask<{ embed: { base64: string; dimension: number; vector: number[] }[] }>(
      '{ embed(inputs: [{ text: "trail running shoes" }]) { ... on Embedding { base64 dimension vector } } }',
    );
    const [embedding] = embedded.data?.embed ?? [];
    expect(embedding?.dimension).toBe(384);
    const bytes = Buffer.from(embedding?.base64 ?? '', 'base64');
    expect(bytes.length).toBe(384 * 4);
    expect(bytes.readFloatLE(0)).toBeCloseTo(embedding?.vector[0] ?? NaN, 6);
    const { data, errors } = await ask<{ recommend: Page }>(
      `query ($like: [ExampleInput!]!) { recommend(like: $like, first: 20) { ${PAGE} } }`,
      { like: [{ id: 'wh-0150' }, { text: 'running after dark' }, { vector: embedding?.vector }] },
    );
    expect(errors).toBeUndefined();
    expect(data?.recommend.edges).toHaveLength(20);
    expect(data?.recommend.edges.map((edge) => edge.node?.id)).not.toContain('wh-0150');
  });

  it('answers similar items of a product', async () => {
    const { data } = await ask<{ product: { title: string; similar: Page } }>(
      `{ product(id: "wh-0150") { title similar(first: 5, modelVersion: "v1") { ${PAGE} } } }`,
    );
    expect(data?.product.similar.edges).toHaveLength(5);
    expect(data?.product.similar.modelVersion.id).toBe('v1');
    expect(data?.product.similar.edges.map((edge) => edge.node?.id)).not.toContain('wh-0150');
  });

  it('reports a bad text among good ones as data', async () => {
    const { data, errors } = await ask<{ embed: { __typename: string; code?: string; reason?: string }[] }>(
      'query ($inputs: [EmbedInput!]!) { embed(inputs: $inputs) { __typename ... on EmbedFailure { code reason } } }',
      { inputs: [{ text: 'good' }, { text: ' \u200b' }, { text: 'good too' }] },
    );
    expect(errors).toBeUndefined();
    expect(data?.embed).toEqual([
      { __typename: 'Embedding' },
      { __typename: 'EmbedFailure', code: 'BAD_USER_INPUT', reason: 'EMPTY' },
      { __typename: 'Embedding' },
    ]);
  });
});

describe('documented bad input', () => {
  const recommend = 'query ($like: [ExampleInput!]!) { recommend(like: $like) { nodes { id } } }';
  const cases: [
    title: string,
    query: string,
    variables: Record<string, unknown>,
    code: string,
    reason?: string,
  ][] = [
    ['T1: an empty query', SEARCH, { text: '  ' }, 'BAD_USER_INPUT', 'EMPTY'],
    ['T2: a text of 1 MB', SEARCH, { text: 'a'.repeat(900_000) }, 'BAD_USER_INPUT', 'TEXT_TOO_LONG'],
    ['T5: a lone surrogate', SEARCH, { text: 'a\ud800b' }, 'BAD_USER_INPUT', 'BAD_TEXT'],
    ['G6: first of 0', SEARCH, { text: 'a', first: 0 }, 'BAD_USER_INPUT', 'PAGE_SIZE'],
    ['G6: first of 101', SEARCH, { text: 'a', first: 101 }, 'BAD_USER_INPUT', 'PAGE_SIZE'],
    ['C1: a cursor of nobody', SEARCH, { text: 'a', after: 'abc' }, 'BAD_USER_INPUT', 'BAD_CURSOR'],
    ['V6: an unknown version', SEARCH, { text: 'a', version: 'v9' }, 'MODEL_VERSION_NOT_FOUND'],
    [
      'V6: the candidate where there is none',
      SEARCH,
      { text: 'a', version: 'candidate' },
      'MODEL_VERSION_NOT_FOUND',
    ],
    [
      'V1: a vector of another dimension',
      recommend,
      { like: [{ vector: [1, 2, 3] }] },
      'BAD_USER_INPUT',
      'DIMENSION_MISMATCH',
    ],
    [
      'V3: a zero vector',
      recommend,
      { like: [{ vector: Array(384).fill(0) }] },
      'BAD_USER_INPUT',
      'ZERO_NORM',
    ],
    ['V5: an unknown example', recommend, { like: [{ id: 'nobody' }] }, 'BAD_USER_INPUT', 'NOT_FOUND'],
    ['F2: an unknown filter field', SEARCH, { text: 'a', filter: { nope: { eq: 1 } } }, 'BAD_USER_INPUT'],
  ];

  it.each(cases)('%s is refused with its code', async (_title, query, variables, code, reason) => {
    const { status, errors } = await ask(query, variables);
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions.code).toBe(code);
    if (reason !== undefined) expect(errors?.[0]?.extensions.reason).toBe(reason);
    expect(errors?.[0]?.extensions.requestId).toEqual(expect.any(String));
    expect(JSON.stringify(errors)).not.toMatch(/stack|node_modules|\.ts|\.js|onnx/i);
    // A plain search right after the bad input is right.
    const { data } = await ask<{ search: Page }>(SEARCH, { text: 'sore knees when weeding', version: 'v2' });
    expect(data?.search.edges.map((edge) => edge.node?.id)).toContain('wh-0114');
  });
});

describe('X11: SIGTERM under load', () => {
  it('fails no request', async () => {
    const own = await mkdtemp(join(tmpdir(), 'kindred-e2e-'));
    const target = await startServer({ data: own, 'server.drainMs': '1000' });
    let stopping = false;
    let answered = 0;
    const failures: unknown[] = [];
    // Like a load balancer: a client asks /readyz and sends nothing new to a gateway that is draining.
    const client = async (seed: number): Promise<void> => {
      for (let turn = 0; ; turn++) {
        if (
          stopping &&
          (await fetch(`${target.url}/readyz`).then(
            (response) => response.status,
            () => 503,
          )) !== 200
        )
          return;
        try {
          const response = await fetch(`${target.url}/graphql`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ query: SEARCH, variables: { text: `lamp ${seed} ${turn}` } }),
          });
          const body = (await response.json()) as Answer<{ search: Page }>;
          if (response.status === 200 && body.data?.search.edges.length === 10) answered++;
          else failures.push([response.status, body.errors]);
        } catch (error) {
          failures.push(error);
        }
      }
    };
    const clients = Promise.all(Array.from({ length: 8 }, (_, seed) => client(seed)));
    while (answered < 50 && failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    stopping = true;
    await target.stop();
    await clients;
    await rm(own, { recursive: true, force: true });
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThanOrEqual(50);
  });
});
