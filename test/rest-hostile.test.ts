import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openSocket, rawRequest, until } from './http-server.js';
import { type RestServer, hanging, postJson, startRestServer } from './rest-server.js';

const BODY_LIMIT = 10_000;
const json = { 'content-type': 'application/json' };

/** Each route that embeds, with a body that it answers. */
const ROUTES = [
  { path: '/embed/v1', good: '{"inputs":["a lamp"]}' },
  { path: '/v1/embeddings', good: '{"model":"v1","input":"a lamp"}' },
];

let server: RestServer;
beforeAll(async () => {
  server = await startRestServer({ settings: { 'server.bodyLimitBytes': String(BODY_LIMIT) } });
});
afterAll(() => server.server.close());

// After every hostile input the server still answers, and holds no place.
afterEach(async () => {
  server.intercept = undefined;
  for (const { path, good } of ROUTES) expect((await post(path, good)).status).toBe(200);
  await until(() => server.server.inFlight === 0);
});

function post(
  path: string,
  body: BodyInit | null,
  headers: Record<string, string> = json,
): Promise<Response> {
  return fetch(`${server.url}${path}`, { method: 'POST', headers, body });
}

/** The answer is an error in the shape of the API that it belongs to, and tells nothing of the inside. */
async function expectRefusal(response: Response, path: string, ...statuses: number[]): Promise<void> {
  const text = await response.text();
  expect(statuses).toContain(response.status);
  expect(response.headers.get('x-request-id')).toMatch(/./);
  expect(text).not.toMatch(/node_modules|\.js:|\.ts:|stack/);
  expectShape(text, path);
}

function expectShape(text: string, path: string): void {
  const line = expect.stringMatching(/./) as string;
  if (path.startsWith('/v1')) {
    const { error, ...rest } = JSON.parse(text) as { error: Record<string, unknown> };
    expect(rest).toEqual({});
    expect(error).toMatchObject({ message: line, type: 'invalid_request_error', code: line });
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  } else {
    const extensions = expect.objectContaining({ code: line, requestId: line }) as object;
    expect(JSON.parse(text)).toEqual({ errors: [{ message: line, extensions }] });
  }
}

describe.each(ROUTES)('$path', ({ path, good }) => {
  it.each(['', 'null', '[]', '"x"', '{', '{}', '42', good.slice(0, -1)])(
    'H1: the body %j is 400',
    async (body) => {
      await expectRefusal(await post(path, body), path, 400);
    },
  );

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'nonsense'])(
    'H2: the content type %s is refused',
    async (type) => {
      await expectRefusal(await post(path, good, { 'content-type': type }), path, 400, 415);
    },
  );

  it('H2: a body without a content type is refused', async () => {
    await expectRefusal(await post(path, new Blob([good]), {}), path, 400, 415);
  });

  it.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('H4: %s is 405', async (method) => {
    const response = await fetch(`${server.url}${path}`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    if (method === 'HEAD') return;
    expectShape(await response.text(), path);
  });

  it('H6: a body of exactly the limit is read, one byte more is 413', async () => {
    expect((await post(path, good.padEnd(BODY_LIMIT))).status).toBe(200);
    await expectRefusal(await post(path, good.padEnd(BODY_LIMIT + 1)), path, 413);
  });

  it('H6: a declared length over the limit is 413 before any of the body is sent', async () => {
    const answer = await rawRequest(
      server.port,
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expectShape(answer.slice(answer.indexOf('\r\n\r\n')), path);
  });

  it.each(['gzip', 'deflate', 'br'])('H7: a body in %s is 415', async (encoding) => {
    const headers = { ...json, 'content-encoding': encoding };
    await expectRefusal(await post(path, gzipSync(good), headers), path, 415);
  });

  it('H9: 101 headers are 431', async () => {
    const headers = Array.from({ length: 101 }, (_, i) => `X-H${i}: 1\r\n`).join('');
    const answer = await rawRequest(
      server.port,
      `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`,
      /\r\n\r\n\{.*\}/s,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expectShape(answer.slice(answer.indexOf('\r\n\r\n')), path);
  });

  it.each([
    good.replace('{', '{"__proto__":{"polluted":1},'),
    good.replace('{', '{"constructor":{"prototype":{"polluted":1}},'),
  ])('H12: %s changes no prototype', async (body) => {
    await expectRefusal(await post(path, body), path, 400);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it.each([
    ['invalid UTF-8', Buffer.from([...Buffer.from(good), 0xc3, 0x28])],
    ['a byte order mark', Buffer.from([0xef, 0xbb, 0xbf, ...Buffer.from(good)])],
    ['UTF-16', Buffer.from(`\ufeff${good}`, 'utf16le')],
  ])('H13: %s is 400', async (_name, body) => {
    await expectRefusal(await post(path, new Uint8Array(body)), path, 400);
  });

  it('H14: a client that closes its half of the connection mid-request leaves no place behind', async () => {
    server.intercept = hanging();
    const socket = await openSocket(server.port);
    socket.write(rawPost(path, good));
    await until(() => server.server.inFlight === 1);
    socket.end();
    await until(() => server.server.inFlight === 0);
  });

  it('X23: clients that go away have their work cancelled, and leave no place behind', async () => {
    let cancelled = 0;
    server.intercept = async (texts, options) => {
      const outcomes = await hanging()(texts, options);
      cancelled += 1;
      return outcomes ?? [];
    };
    for (let round = 1; round <= 5; round++) {
      const sockets = await Promise.all(Array.from({ length: 100 }, () => openSocket(server.port)));
      for (const socket of sockets) socket.write(rawPost(path, good));
      await until(() => server.server.inFlight === 100);
      for (const socket of sockets) socket.destroy();
      await until(() => server.server.inFlight === 0 && cancelled === round * 100);
    }
  });
});

describe('paths', () => {
  it.each(['/v1', '/v1/', '/v1/chat/completions', '/v1/embeddings/', '/v1/embeddings/x', '/v1?x=1'])(
    '%s is 404 in the shape of OpenAI',
    async (path) => {
      await expectRefusal(await post(path, '{}'), path, 404);
    },
  );

  it.each(['/embed', '/embed/v1/x', '/v10', '/v1x/embeddings', `/embed/${'a'.repeat(101)}`])(
    '%s is 404 in the shape of Kindred',
    async (path) => {
      await expectRefusal(await post(path, '{}'), '/', 404, 414);
    },
  );

  it('a malformed one is 400, in the shape of the API that it is of', async () => {
    for (const path of ['/v1/%zz', '/embed/%zz']) {
      const answer = await rawRequest(
        server.port,
        `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expectShape(answer.slice(answer.indexOf('\r\n\r\n')), path);
    }
  });

  it.each(['/v1/models', '/v1/models/v1', '/openapi.json'])('H4: POST to %s is 405', async (path) => {
    const response = await post(path, '{}');
    expect(response.headers.get('allow')).toBe('GET');
    await expectRefusal(response, path, 405);
  });
});

describe('shutdown', () => {
  it('finishes a REST request in flight', async () => {
    const own = await startRestServer();
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    own.intercept = async (texts) => {
      await released;
      return texts.map(() => ({ vector: Float32Array.of(1), tokens: 1, truncated: false }));
    };
    const held = postJson(`${own.url}/embed/v1`, { inputs: ['a'] });
    await until(() => own.server.inFlight === 1);
    const closed = own.server.close();
    release();
    expect((await held).status).toBe(200);
    await closed;
    expect(own.server.inFlight).toBe(0);
  });

  it.each(ROUTES)(
    'ends requests of $path that outlast the grace with a coded answer',
    async ({ path, good }) => {
      const own = await startRestServer({ settings: { 'server.shutdownGraceMs': '100' } });
      own.intercept = hanging();
      const held = postJson(`${own.url}${path}`, good);
      await until(() => own.server.inFlight === 1);
      await own.server.close();
      const { status, body } = await held;
      expect(status).toBe(503);
      expect(JSON.stringify(body)).toMatch(/upstream_unavailable/i);
    },
  );
});

const rawPost = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
