import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { KindredError } from '../src/errors.js';
import { startTelemetry } from '../src/telemetry-sdk.js';
import { withSpan } from '../src/telemetry.js';
import { testConfig, until } from './http-server.js';
import { startOtlpReceiver } from './otlp-receiver.js';
import {
  type JsonAnswer,
  MAX_TOKENS,
  type RestServer,
  hanging,
  postJson,
  startRestServer,
} from './rest-server.js';

interface Item {
  vector?: number[];
  base64?: string;
  tokens?: number;
  truncated?: boolean;
  error?: { code: string; reason: string | null; message: string; index: number };
}
interface Body {
  modelVersion: string;
  dimension: number;
  embeddings: Item[];
  errors?: { message: string; extensions: Record<string, unknown> }[];
}

const NOTHING = { vector: Float32Array.of(1), tokens: 1, truncated: false };

let server: RestServer;
beforeAll(async () => {
  server = await startRestServer();
});
afterAll(() => server.server.close());
afterEach(async () => {
  server.intercept = undefined;
  server.failing = () => undefined;
  await until(() => server.server.inFlight === 0);
});

const ask = async (url: string, body: unknown, headers?: Record<string, string>): Promise<JsonAnswer<Body>> =>
  (await postJson(url, body, headers)) as JsonAnswer<Body>;
const embed = (version: string, body: unknown, headers?: Record<string, string>): Promise<JsonAnswer<Body>> =>
  ask(`${server.url}/embed/${version}`, body, headers);

describe('POST /embed/{version}', () => {
  it.each([
    ['v1', 'v1', 8],
    ['v2', 'v2', 16],
    ['stable', 'v2', 16],
  ])('embeds by %s with version %s, of dimension %i', async (asked, version, dimension) => {
    const { status, headers, body } = await embed(asked, { inputs: ['a lamp', { text: 'a chair' }] });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-request-id')).toMatch(/./);
    expect(body).toMatchObject({ modelVersion: version, dimension });
    expect(body.embeddings).toHaveLength(2);
    for (const { vector = [], tokens, truncated } of body.embeddings) {
      expect(vector).toHaveLength(dimension);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      expect({ tokens, truncated }).toEqual({ tokens: 2, truncated: false });
    }
  });

  it('writes the same vectors as numbers and as base64', async () => {
    const floats = await embed('v1', { inputs: ['a lamp'] });
    const coded = await embed('v1', { inputs: ['a lamp'], encoding: 'base64' });
    const bytes = Buffer.from(coded.body.embeddings[0]?.base64 ?? '', 'base64');
    expect(coded.body.embeddings[0]?.vector).toBeUndefined();
    expect(floats.body.embeddings[0]?.vector).toEqual(
      Array.from({ length: 8 }, (_, index) => bytes.readFloatLE(index * 4)),
    );
  });

  it('embeds for a query unless it is asked to embed documents', async () => {
    server.calls.length = 0;
    await embed('v2', { inputs: ['a'] });
    await embed('v2', { inputs: ['a'], purpose: 'document' });
    expect(server.calls.map(({ options }) => options.purpose)).toEqual(['query', 'document']);
  });

  it('answers the failure of one input as data in its place', async () => {
    const { status, body } = await embed('v1', { inputs: ['a', ' ', 'b'] });
    expect(status).toBe(200);
    expect(body.embeddings.map(({ vector }) => vector?.length)).toEqual([8, undefined, 8]);
    expect(body.embeddings[1]).toEqual({
      error: {
        code: 'BAD_USER_INPUT',
        reason: 'EMPTY',
        message: expect.any(String) as string,
        index: 1,
      },
    });
  });

  it('T2: cuts a text that is too long and says so, or refuses it when asked to', async () => {
    const long = Array.from({ length: MAX_TOKENS + 1 }, (_, index) => `w${index}`).join(' ');
    const cut = await embed('v1', { inputs: [long, 'short'] });
    expect(cut.body.embeddings.map(({ truncated }) => truncated)).toEqual([true, false]);
    const refused = await embed('v1', { inputs: [long, 'short'], onTooLong: 'refuse' });
    expect(refused.status).toBe(200);
    expect(refused.body.embeddings[0]?.error).toMatchObject({
      code: 'BAD_USER_INPUT',
      reason: 'TEXT_TOO_LONG',
      index: 0,
    });
    expect(refused.body.embeddings[1]).toMatchObject({ truncated: false });
  });

  it.each(['', '   ', '\u200b\ufeff'])('T1: the text %j is EMPTY', async (text) => {
    const { body } = await embed('v1', { inputs: [text] });
    expect(body.embeddings[0]?.error).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'EMPTY' });
  });

  it.each(['a \ud800 b', 'nul \u0000', '\ufffe'])('T5: the text %j is BAD_TEXT', async (text) => {
    const { body } = await embed('v1', { inputs: [text] });
    expect(body.embeddings[0]?.error).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'BAD_TEXT' });
  });

  it.each(['v3', 'nothing', 'constructor', '__proto__', '%F0%9F%92%A9', 'candidate'])(
    'V6: the unknown version %s is refused and never answered by another',
    async (version) => {
      const { status, body } = await embed(version, { inputs: ['a'] });
      expect(status).toBe(400);
      expect(body.embeddings).toBeUndefined();
      expect(body.errors?.[0]?.extensions.code).toBe('MODEL_VERSION_NOT_FOUND');
    },
  );

  it('answers 503 with Retry-After for a version that can not answer, and nothing about the reason', async () => {
    const { status, headers, body } = await embed('broken', { inputs: ['a'] });
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('3');
    expect(body.errors?.[0]?.extensions).toMatchObject({
      code: 'MODEL_VERSION_UNAVAILABLE',
      requestId: headers.get('x-request-id'),
    });
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  it('takes as many inputs as limits.restInputs says', async () => {
    const inputs = Array.from({ length: 256 }, (_, index) => `w${index}`);
    expect((await embed('v1', { inputs })).body.embeddings).toHaveLength(256);
    const { status, body } = await embed('v1', { inputs: [...inputs, 'more'] });
    expect(status).toBe(400);
    expect(body.errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'TOO_MANY_INPUTS' });
  });

  it('refuses half a million bad inputs by their number, not one by one', async () => {
    const { status, body } = await embed('v1', `{"inputs":[${'1,'.repeat(500_000)}1]}`);
    expect(status).toBe(400);
    expect(body.errors?.[0]?.message).toBe('expected at most 256 items in inputs, but got 500001');
  });

  it('names each fault of a body with its place', async () => {
    const { status, body } = await embed('v1', { inputs: ['a', 1], purpose: 'x', more: 1 });
    expect(status).toBe(400);
    expect(body.errors).toHaveLength(1);
    const { message = '', extensions } = body.errors?.[0] ?? {};
    expect(extensions?.code).toBe('BAD_USER_INPUT');
    expect(message).toContain('inputs[1]: expected a text, or an object with a text');
    expect(message).toContain('purpose: ');
    expect(message).toContain('"more"');
  });
});

describe('overload and deadlines over REST', () => {
  it.each([
    ['a single text', ['a']],
    ['a batch', ['a', 'b', 'c']],
  ])(
    'a full queue refuses %s with 429 and Retry-After in whole seconds, rounded up',
    async (_name, inputs) => {
      server.intercept = () =>
        Promise.reject(new KindredError('OVERLOADED', 'too many texts wait', { retryAfterMs: 1_200 }));
      const { status, headers, body } = await embed('v1', { inputs });
      expect(status).toBe(429);
      expect(headers.get('retry-after')).toBe('2');
      expect(body.errors?.[0]?.extensions).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 1_200 });
    },
  );

  it('fails as a whole when the server kept every text from being embedded', async () => {
    server.failing = () => new KindredError('UPSTREAM_UNAVAILABLE', 'the model server is away');
    const { status, headers, body } = await embed('v1', { inputs: ['a', 'b'] });
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body.errors?.[0]?.extensions.code).toBe('UPSTREAM_UNAVAILABLE');
  });

  it('answers what succeeded when only some texts met a failure of the server', async () => {
    server.failing = (text) =>
      text === 'b' ? new KindredError('UPSTREAM_UNAVAILABLE', 'the model server is away') : undefined;
    const { status, body } = await embed('v1', { inputs: ['a', 'b'] });
    expect(status).toBe(200);
    expect(body.embeddings[1]?.error?.code).toBe('UPSTREAM_UNAVAILABLE');
  });

  it('masks what nobody knows', async () => {
    server.intercept = () => Promise.reject(new Error('cannot open /etc/secret of host db-7'));
    const { status, body } = await embed('v1', { inputs: ['a'] });
    expect(status).toBe(500);
    expect(body.errors?.[0]).toMatchObject({
      message: 'Internal server error',
      extensions: { code: 'INTERNAL_SERVER_ERROR' },
    });
  });

  it('the deadline, which a client may lower, ends a request with 504', async () => {
    server.intercept = hanging();
    const { status, body } = await embed('v1', { inputs: ['a'] }, { 'x-kindred-deadline-ms': '50' });
    expect(status).toBe(504);
    expect(body.errors?.[0]?.extensions.code).toBe('DEADLINE_EXCEEDED');
  });

  it('the deadline also ends work that does not heed it', async () => {
    server.intercept = () => new Promise(() => undefined);
    const { status } = await embed('v1', { inputs: ['a'] }, { 'x-kindred-deadline-ms': '50' });
    expect(status).toBe(504);
  });

  it('places are shared with GraphQL: full of one, the other is refused', async () => {
    const small = await startRestServer({ settings: { 'server.maxInFlight': '1' } });
    small.intercept = hanging();
    const held = postJson(`${small.url}/embed/v1`, { inputs: ['a'] }, { 'x-kindred-deadline-ms': '300' });
    await until(() => small.server.inFlight === 1);
    const graphql = await small.post({ query: '{ hello }' });
    const rest = await ask(`${small.url}/embed/v1`, { inputs: ['a'] });
    for (const { status, headers, body } of [graphql, rest]) {
      expect(status).toBe(429);
      expect(headers.get('retry-after')).toBe('1');
      expect(body.errors?.[0]?.extensions.code).toBe('OVERLOADED');
    }
    expect((await held).status).toBe(504);
    await until(() => small.server.inFlight === 0);
    await small.server.close();
  });
});

describe('what operators see of REST requests', () => {
  it('is a span below that of the caller, and metrics by route', async () => {
    const otlp = await startOtlpReceiver();
    const running = startTelemetry(testConfig(), { OTEL_EXPORTER_OTLP_ENDPOINT: otlp.endpoint });
    const { telemetry, metricsHandler } = running;
    const traced = await startRestServer({ telemetry, metricsHandler });
    traced.intercept = (texts) =>
      withSpan(telemetry, 'below', {}, () => Promise.resolve(texts.map(() => NOTHING)));
    const trace = 'a'.repeat(32);
    await ask(
      `${traced.url}/embed/v1`,
      { inputs: ['a'] },
      { traceparent: `00-${trace}-${'b'.repeat(16)}-01` },
    );
    await until(() => traced.lines.some(({ msg }) => msg === 'request'));
    const metrics = await metricsHandler?.();
    await traced.server.close();
    await running.shutdown();
    const http = await otlp.waitFor(({ name }) => name === 'http.request');
    expect(http).toMatchObject({ traceId: trace, attributes: { 'http.route': '/embed/:version' } });
    expect(otlp.childrenOf(http).map(({ name }) => name)).toEqual(['below']);
    expect(metrics).toMatch(/kindred_requests_total\{[^}]*route="\/embed\/:version"[^}]*\} 1/);
    await otlp.close();
  });

  it('is one log line by route, without the texts', async () => {
    server.lines.length = 0;
    await embed('v1', { inputs: ['secret-words'] });
    await until(() => server.lines.length > 0);
    expect(server.lines).toHaveLength(1);
    expect(server.lines[0]).toMatchObject({ method: 'POST', route: '/embed/:version', status: 200 });
    expect(JSON.stringify(server.lines)).not.toContain('secret-words');
  });
});
