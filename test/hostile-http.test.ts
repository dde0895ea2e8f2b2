import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answer,
  openSocket,
  rawRequest,
  send,
  startTestServer,
  type TestServer,
  until,
} from './http-server.js';

const BODY_LIMIT = 10_000;
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    settings: {
      'server.bodyLimitBytes': String(BODY_LIMIT),
      'server.headersTimeoutMs': '400',
      'server.requestTimeoutMs': '800',
      'server.deadlineMs': '5000',
    },
  });
});
afterAll(() => server.server.close());

// After every hostile input the server still answers, and holds no slot.
afterEach(async () => {
  expect((await server.post({ query: '{ hello }' })).body).toEqual({ data: { hello: 'world' } });
  await until(() => server.server.inFlight === 0);
});

const json = { 'content-type': 'application/json' };
const HELLO = JSON.stringify({ query: '{ hello }' });

function expectRefusal(answer: Answer, ...statuses: number[]): void {
  expect(statuses).toContain(answer.status);
  expect(answer.text).not.toMatch(/node_modules|\.js:|\.ts:|stack/);
  const { extensions } = answer.body.errors?.[0] ?? {};
  expect(extensions?.code).toMatch(/^[A-Z_]+$/);
  expect(extensions?.code).not.toBe('INTERNAL_SERVER_ERROR');
  expect(extensions?.requestId).toBe(answer.headers.get('x-request-id'));
}

const post = (body: BodyInit | null, headers: Record<string, string> = json): Promise<Answer> =>
  send(`${server.url}/graphql`, { method: 'POST', headers, body });

describe('bodies', () => {
  it.each(['', 'null', '[]', '"x"', '{', '{"query":"{ hello }"', '{}', '{"query":1}', '{"query":""}'])(
    'H1: the body %j is 400',
    async (body) => {
      expectRefusal(await post(body), 400);
    },
  );

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'nonsense'])(
    'H2: the content type %s is refused',
    async (type) => {
      expectRefusal(await post(HELLO, { 'content-type': type }), 400, 415);
    },
  );

  it('H2: a body without a content type is refused', async () => {
    expectRefusal(await post(new Blob([HELLO]), {}), 400, 415);
  });

  it('H3: a GET that no preflight guards is 400', async () => {
    expectRefusal(await send(`${server.url}/graphql?query={hello}`), 400);
  });

  it('H4: a mutation over GET is 405', async () => {
    const answer = await send(`${server.url}/graphql?query=${encodeURIComponent('mutation { touch }')}`, {
      headers: { 'apollo-require-preflight': '1' },
    });
    expectRefusal(answer, 405);
    expect(answer.headers.get('allow')).toBe('POST');
  });

  it('H4: other methods are 405', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await send(`${server.url}/graphql`, {
        method,
        headers: { 'apollo-require-preflight': '1' },
      });
      expectRefusal(answer, 405);
    }
  });

  it.each([2, 200])('H5: a batch of %i operations is 400', async (count) => {
    expectRefusal(
      await post(JSON.stringify(Array.from({ length: count }, () => ({ query: '{ hello }' })))),
      400,
    );
  });

  it('H6: a body of exactly the limit is read, one byte more is 413', async () => {
    const padded = (length: number): string => HELLO.padEnd(length, ' ');
    expect((await post(padded(BODY_LIMIT))).status).toBe(200);
    expectRefusal(await post(padded(BODY_LIMIT + 1)), 413);
  });

  it('H6: a declared length over the limit is 413 before any of the body is sent', async () => {
    const answer = await rawRequest(
      server.port,
      `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer.toLowerCase()).toContain('connection: close');
  });

  it('H6: a chunked body over the limit is 413 while its end has not come', async () => {
    const chunk = `${(4_000).toString(16)}\r\n${' '.repeat(4_000)}\r\n`;
    const answer = await rawRequest(
      server.port,
      `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it.each(['gzip', 'deflate', 'br', 'zstd', 'gzip, gzip'])('H7: a body in %s is 415', async (encoding) => {
    expectRefusal(await post(gzipSync(HELLO), { ...json, 'content-encoding': encoding }), 415);
  });

  it.each([
    '{"query":"{ hello }","__proto__":{"polluted":1}}',
    '{"query":"{ hello }","variables":{"\\u005f_proto__":{"polluted":1}}}',
    '{"query":"{ hello }","variables":{"constructor":{"prototype":{"polluted":1}}}}',
  ])('H12: %s changes no prototype', async (body) => {
    expectRefusal(await post(body), 400);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('H12: of duplicate keys the last one counts', async () => {
    const answer = await post('{"query":"{ nothing }","query":"{ hello }"}');
    expect(answer.body.data).toEqual({ hello: 'world' });
  });

  it.each([
    [
      'invalid UTF-8',
      Buffer.concat([
        Buffer.from('{"query":"{ hello }","x":"'),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('"}'),
      ]),
    ],
    ['a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(HELLO)])],
    ['UTF-16', Buffer.from(`\ufeff${HELLO}`, 'utf16le')],
  ])('H13: %s is 400', async (_name, body) => {
    expectRefusal(await post(new Uint8Array(body)), 400);
  });

  it('H13: a body declared as another charset is 415', async () => {
    expectRefusal(await post(HELLO, { 'content-type': 'application/json; charset=utf-16' }), 415);
  });
});

describe('the HTTP parser', () => {
  const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  it.each([
    [
      'Content-Length with Transfer-Encoding',
      `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['two Content-Length', `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
    ['a folded header', `${head}X-Long: a\r\n b\r\nContent-Length: ${HELLO.length}\r\n\r\n${HELLO}`],
    ['bare line feeds', `${head.replaceAll('\r\n', '\n')}Content-Length: ${HELLO.length}\n\n${HELLO}`],
    ['no HTTP at all', '\u0016\u0003\u0001hello\r\n\r\n'],
  ])('H8: %s is 400 and the connection is closed', async (_name, bytes) => {
    const answer = await rawRequest(server.port, bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(answer).toMatch(/"requestId":"[\da-f-]{36}"/);
    expect(answer).not.toContain('world');
  });

  it('H9: 101 headers are 431', async () => {
    const headers = Array.from({ length: 101 }, (_, i) => `X-H${i}: 1\r\n`).join('');
    const answer = await rawRequest(
      server.port,
      `GET /healthz HTTP/1.1\r\n${headers}\r\n`,
      /\r\n\r\n\{.*\}/s,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 |^HTTP\/1\.1 400 /);
    const withHost = await rawRequest(
      server.port,
      `GET /healthz HTTP/1.1\r\nHost: x\r\n${headers}\r\n`,
      /\r\n\r\n\{.*\}/s,
    );
    expect(withHost).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('H9: a header of 32 KiB is 431', async () => {
    const answer = await rawRequest(
      server.port,
      `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: ${'a'.repeat(32_768)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('H9: a URL of 64 KiB is 431 or 414', async () => {
    const answer = await rawRequest(
      server.port,
      `GET /graphql?query=${'a'.repeat(65_536)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 (431|414) /);
  });

  it('a malformed URL is 400', async () => {
    const answer = await rawRequest(server.port, `GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"requestId"');
  });

  it('H10: 300 clients that are slow with headers or body are cut off, and others are served meanwhile', async () => {
    const begun = [
      ...Array.from({ length: 150 }, () => 'POST /graphql HTTP/1.1\r\nHost: x\r\nX-Slow: '),
      ...Array.from({ length: 150 }, () => `${head}Content-Length: 100\r\n\r\n{"que`),
    ];
    const slow = Promise.all(begun.map((bytes) => rawRequest(server.port, bytes)));
    expect((await server.post({ query: '{ hello }' })).status).toBe(200);
    expect(server.server.inFlight).toBe(0);
    for (const answer of await slow) expect(answer).toMatch(/^HTTP\/1\.1 408 |^$/);
  });

  it('H11: forged forwarding and host headers change nothing', async () => {
    const answer = await rawRequest(
      server.port,
      `${head.replace('Host: x', 'Host: ht!tp://evil/..%00')}X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: gopher\r\nContent-Length: ${HELLO.length}\r\nConnection: close\r\n\r\n${HELLO}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 (200|400) /);
    expect(answer).not.toContain('evil');
  });

  it('H14: 200 pipelined requests are all answered', async () => {
    const one = `${head}Content-Length: ${HELLO.length}\r\n\r\n${HELLO}`;
    let answers = 0;
    const answer = await rawRequest(
      server.port,
      one.repeat(199) + one.replace('Host: x', 'Host: x\r\nConnection: close'),
    );
    answers = answer.split('{"data":{"hello":"world"}}').length - 1;
    expect(answers).toBe(200);
  });

  it('H14: a client that closes its half of the connection mid-request leaves no slot behind', async () => {
    const body = JSON.stringify({ query: '{ slow(ms: 60000) }' });
    const socket = await openSocket(server.port);
    socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    await until(() => server.server.inFlight === 1);
    socket.end();
    await until(() => server.server.inFlight === 0);
  });
});

describe('clients that go away', () => {
  it('X23: have their work cancelled, and leave no slot behind', async () => {
    const body = JSON.stringify({ query: '{ slow(ms: 60000) }' });
    const request = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    for (let round = 0; round < 10; round++) {
      const sockets = await Promise.all(Array.from({ length: 100 }, () => openSocket(server.port)));
      server.seen.cancelled.length = 0;
      for (const socket of sockets) socket.write(request);
      await until(() => server.server.inFlight === 100);
      for (const socket of sockets) socket.destroy();
      await until(() => server.server.inFlight === 0 && server.seen.cancelled.length === 100);
      expect(new Set(server.seen.cancelled)).toEqual(new Set(['REQUEST_CANCELLED']));
    }
  });
});

describe('overload', () => {
  it('is refused with OVERLOADED and Retry-After, while health still answers', async () => {
    const small = await startTestServer({ settings: { 'server.maxInFlight': '2' } });
    const held = Array.from({ length: 2 }, () =>
      small.post({ query: '{ slow(ms: 60000) }' }, { 'x-kindred-deadline-ms': '300' }),
    );
    await until(() => small.server.inFlight === 2);
    const refused = await small.post({ query: '{ hello }' });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(refused.body.errors?.[0]?.extensions).toMatchObject({
      code: 'OVERLOADED',
      requestId: refused.headers.get('x-request-id'),
    });
    expect((await send(`${small.url}/healthz`)).status).toBe(200);
    await Promise.all(held);
    expect((await small.post({ query: '{ hello }' })).status).toBe(200);
    await small.server.close();
  });

  it('of connections closes those beyond the limit', async () => {
    const small = await startTestServer({ settings: { 'server.maxConnections': '3' } });
    const kept = await Promise.all(Array.from({ length: 3 }, () => openSocket(small.port)));
    const beyond = await openSocket(small.port);
    await new Promise((resolve) => beyond.once('close', resolve));
    for (const socket of kept) socket.destroy();
    await small.server.close();
  });
});

describe('log lines', () => {
  it.each(['\r\nInjected: 1', '\u001b[31mred\u001b[0m', '${jndi:ldap://evil/a}', 'x'.repeat(5_000)])(
    'T6: %j in a request leaves one short JSON line, without control characters',
    async (text) => {
      server.rawLines.length = 0;
      const name = /^\w+$/.test(text) ? text : 'Op';
      await post(
        JSON.stringify({ query: `query ${name} { hello }`, operationName: name, variables: { text } }),
        {
          ...json,
          'x-request-id': text.replace(/[^\x20-\x7e]/g, ' '),
          'user-agent': text.replace(/[^\x20-\x7e]/g, ' '),
        },
      );
      await until(() => server.rawLines.length > 0);
      expect(server.rawLines).toHaveLength(1);
      const [line = ''] = server.rawLines;
      expect(line.indexOf('\n')).toBe(line.length - 1);
      expect(line.length).toBeLessThan(2_000);
      expect(line).not.toMatch(/\\u001b|\\r|\\n|jndi/);
    },
  );
});
