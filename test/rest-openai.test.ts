import OpenAI, {
  APIConnectionTimeoutError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { KindredError } from '../src/errors.js';
import { until } from './http-server.js';
import {
  type JsonAnswer,
  MAX_TOKENS,
  type RestServer,
  hanging,
  postJson,
  startRestServer,
} from './rest-server.js';

interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

let server: RestServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startRestServer();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'unused', maxRetries: 0 });
});
afterAll(() => server.server.close());
afterEach(async () => {
  server.intercept = undefined;
  server.failing = () => undefined;
  await until(() => server.server.inFlight === 0);
});

const ask = async (body: unknown, headers?: Record<string, string>): Promise<JsonAnswer<ErrorBody>> =>
  (await postJson(`${server.url}/v1/embeddings`, body, headers)) as JsonAnswer<ErrorBody>;

/** What the client throws for `body`. */
const fault = async (body: unknown): Promise<unknown> => {
  try {
    return await client.embeddings.create(body as OpenAI.EmbeddingCreateParams);
  } catch (error) {
    return error;
  }
};

describe("OpenAI's own client", () => {
  it.each([
    ['v1', 'v1', 8],
    ['v2', 'v2', 16],
    ['stable', 'v2', 16],
  ])('gets embeddings by %s from version %s, of dimension %i', async (asked, version, dimension) => {
    const answer = await client.embeddings.create({ model: asked, input: ['a lamp', 'a red chair'] });
    expect(answer).toMatchObject({
      object: 'list',
      model: version,
      usage: { prompt_tokens: 5, total_tokens: 5 },
    });
    expect(answer.data.map(({ object, index }) => [object, index])).toEqual([
      ['embedding', 0],
      ['embedding', 1],
    ]);
    for (const { embedding } of answer.data) {
      expect(embedding).toHaveLength(dimension);
      expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
    }
  });

  it('gets the same numbers by its own default, base64, as by float', async () => {
    const input = 'a lamp';
    const coded = await client.embeddings.create({ model: 'v2', input });
    const floats = await client.embeddings.create({ model: 'v2', input, encoding_format: 'float' });
    expect(Array.from(coded.data[0]?.embedding ?? [])).toEqual(floats.data[0]?.embedding);
  });

  it('gets the dimension that it asks for, cut and of length 1 again', async () => {
    const [whole, cut, own] = await Promise.all(
      [undefined, 4, 16].map((dimensions) =>
        client.embeddings.create({ model: 'v2', input: 'a lamp', ...(dimensions && { dimensions }) }),
      ),
    );
    const first = Array.from(whole?.data[0]?.embedding ?? []).slice(0, 4);
    const norm = Math.hypot(...first);
    const shorter = Array.from(cut?.data[0]?.embedding ?? []);
    expect(shorter).toHaveLength(4);
    shorter.forEach((value, index) => {
      expect(value).toBeCloseTo((first[index] ?? 0) / norm, 6);
    });
    expect(own?.data[0]?.embedding).toEqual(whole?.data[0]?.embedding);
  });

  it.each([
    ['v2', 5],
    ['v1', 4],
    ['v2', 17],
  ])('is told that %s has no vectors of %i numbers', async (model, dimensions) => {
    const error = await fault({ model, input: 'a', dimensions });
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ param: 'dimensions', code: 'dimension_mismatch' });
  });

  it('V6: throws NotFoundError for an unknown model', async () => {
    const error = await fault({ model: 'text-embedding-3-small', input: 'a' });
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error).toMatchObject({
      status: 404,
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    });
  });

  it('throws an error of 503 for a version that can not answer', async () => {
    const error = await fault({ model: 'broken', input: 'a' });
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error).toMatchObject({ status: 503, type: 'server_error', code: 'model_version_unavailable' });
    expect((error as InternalServerError).headers.get('retry-after')).toBe('3');
    expect(String(error)).not.toContain('secret');
  });

  it.each([
    ['a single text', 'a'],
    ['a batch', ['a', 'b', 'c']],
  ])('throws RateLimitError when the queue has no room for %s', async (_name, input) => {
    server.intercept = () =>
      Promise.reject(new KindredError('OVERLOADED', 'too many texts wait', { retryAfterMs: 2_100 }));
    const error = await fault({ model: 'v2', input });
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ type: 'rate_limit_error', code: 'overloaded' });
    expect((error as RateLimitError).headers.get('retry-after')).toBe('3');
    expect((error as RateLimitError).requestID).toMatch(/./);
  });

  it('tries again by itself after an overload, and succeeds', async () => {
    let refusals = 1;
    server.intercept = () =>
      refusals-- > 0
        ? Promise.reject(new KindredError('OVERLOADED', 'full', { retryAfterMs: 10 }))
        : undefined;
    const patient = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'unused', maxRetries: 1 });
    const answer = await patient.embeddings.create({ model: 'v1', input: 'a' });
    expect(answer.data).toHaveLength(1);
  });

  it('leaves no work behind when it gives up', async () => {
    server.intercept = hanging();
    const error = await client.embeddings
      .create({ model: 'v1', input: 'a' }, { timeout: 100 })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(APIConnectionTimeoutError);
    await until(() => server.server.inFlight === 0);
  });

  it('lists the versions that can answer, and finds one by id or alias', async () => {
    const models = [];
    for await (const model of client.models.list()) models.push(model);
    expect(models.map(({ id, object }) => [id, object])).toEqual([
      ['v1', 'model'],
      ['v2', 'model'],
    ]);
    expect(await client.models.retrieve('stable')).toMatchObject({ id: 'v2', object: 'model' });
    await expect(client.models.retrieve('v3')).rejects.toBeInstanceOf(NotFoundError);
    await expect(client.models.retrieve('broken')).rejects.toMatchObject({ status: 503 });
  });
});

describe('POST /v1/embeddings', () => {
  it('fails as a whole for one bad text, and says which', async () => {
    const { status, body } = await ask({ model: 'v1', input: ['a', 'b', 'c', ' '] });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: 'invalid_request_error', param: 'input[3]', code: 'empty' });
  });

  it.each(['', '   ', '\u200b\ufeff'])('T1: the text %j is 400 EMPTY', async (input) => {
    const { status, body } = await ask({ model: 'v1', input });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ param: 'input', code: 'empty' });
  });

  it.each(['a \ud800 b', 'nul \u0000', '\ufffe'])('T5: the text %j is 400 BAD_TEXT', async (input) => {
    const { status, body } = await ask({ model: 'v1', input });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ param: 'input', code: 'bad_text' });
  });

  it('T2: marks a text that was cut, and refuses it when asked to', async () => {
    const long = Array.from({ length: MAX_TOKENS + 1 }, (_, index) => `w${index}`).join(' ');
    const cut = await client.embeddings.create({ model: 'v1', input: ['short', long] });
    expect((cut.data as { truncated?: boolean }[]).map(({ truncated }) => truncated)).toEqual([
      undefined,
      true,
    ]);
    const refused = await ask({ model: 'v1', input: ['short', long], onTooLong: 'refuse' });
    expect(refused.status).toBe(400);
    expect(refused.body.error).toMatchObject({ param: 'input[1]', code: 'text_too_long' });
  });

  it.each([[[1, 2, 3]], [[[1, 2], [3]]]])(
    'refuses the tokens %j with a message that says so',
    async (input) => {
      const { status, body } = await ask({ model: 'v1', input });
      expect(status).toBe(400);
      expect(body.error.param).toBe('input');
      expect(body.error.message).toContain('tokens');
    },
  );

  it.each([
    ['input', { model: 'v1' }],
    ['input', { model: 'v1', input: [] }],
    ['input', { model: 'v1', input: null }],
    ['input', { model: 'v1', input: ['a', null] }],
    ['model', { input: 'a' }],
    ['model', { model: '', input: 'a' }],
    ['encoding_format', { model: 'v1', input: 'a', encoding_format: 'int8' }],
    ['dimensions', { model: 'v1', input: 'a', dimensions: 0 }],
    ['dimensions', { model: 'v1', input: 'a', dimensions: 1.5 }],
    ['purpose', { model: 'v1', input: 'a', purpose: 'both' }],
    [null, { model: 'v1', input: 'a', dimension: 4 }],
  ])('names %s as the fault of %j', async (param, body) => {
    const answer = await ask(body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ type: 'invalid_request_error', param });
  });

  it('takes `user`, which it ignores, and `purpose`', async () => {
    server.calls.length = 0;
    const { status } = await ask({ model: 'v1', input: 'a', user: 'u-1', purpose: 'document' });
    expect(status).toBe(200);
    expect(server.calls[0]?.options.purpose).toBe('document');
  });

  it('takes as many inputs as limits.restInputs says', async () => {
    const { status, body } = await ask({ model: 'v1', input: Array.from({ length: 257 }, () => 'a') });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ param: 'input', code: 'too_many_inputs' });
  });

  it('ends with 504 at its deadline', async () => {
    server.intercept = hanging();
    const { status, body } = await ask({ model: 'v1', input: 'a' }, { 'x-kindred-deadline-ms': '50' });
    expect(status).toBe(504);
    expect(body.error).toMatchObject({ type: 'server_error', code: 'deadline_exceeded' });
  });

  it('masks what nobody knows', async () => {
    server.intercept = () => Promise.reject(new Error('cannot open /etc/secret of host db-7'));
    const { status, body } = await ask({ model: 'v1', input: 'a' });
    expect(status).toBe(500);
    expect(body.error).toEqual({
      message: 'Internal server error',
      type: 'server_error',
      param: null,
      code: 'internal_server_error',
    });
  });
});
