import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverAudits } from 'graphql-http';
import { type Answer, send, startTestServer, type TestServer } from './http-server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.server.close());

const codes = ({ body }: Answer): unknown[] => (body.errors ?? []).map(({ extensions }) => extensions.code);

describe('the server', () => {
  it('answers a query over POST', async () => {
    const answer = await server.post({ query: '{ hello }' });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ data: { hello: 'world' } });
    expect(answer.headers.get('x-powered-by')).toBeNull();
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('answers a query over GET with a header that forces a preflight', async () => {
    const answer = await send(`${server.url}/graphql?query={hello}`, {
      headers: { 'apollo-require-preflight': '1' },
    });
    expect(answer.body.data).toEqual({ hello: 'world' });
  });

  it('gives every request an id and hands it to the resolvers', async () => {
    const answer = await server.post({ query: '{ requestId }' });
    expect(answer.body.data?.requestId).toBe(answer.headers.get('x-request-id'));
  });

  it('takes over a plain request id of its caller, and no other', async () => {
    const given = await server.post({ query: '{ requestId }' }, { 'x-request-id': 'caller-1234' });
    expect(given.headers.get('x-request-id')).toBe('caller-1234');
    const odd = await server.post({ query: '{ requestId }' }, { 'x-request-id': '${jndi:ldap://x}' });
    expect(odd.headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/);
  });

  it('answers with application/graphql-response+json when asked for', async () => {
    const answer = await server.post({ query: '{ hello }' }, { accept: 'application/graphql-response+json' });
    expect(answer.headers.get('content-type')).toContain('application/graphql-response+json');
  });

  it('writes one log line a request, without the text of query and variables', async () => {
    server.lines.length = 0;
    await server.post({
      query: 'query Find($q: String!) { search(query: $q, first: 1) { id } }',
      variables: { q: 'secret-words' },
    });
    const lines = server.lines.filter(({ msg }) => msg === 'request');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ method: 'POST', route: '/graphql', status: 200, operation: 'Find' });
    expect(lines[0]?.requestId).toMatch(/./);
    expect(JSON.stringify(server.lines)).not.toMatch(/secret-words|search\(/);
  });

  it('logs query and variables only when log.texts says so', async () => {
    const open = await startTestServer({ settings: { 'log.texts': 'true' } });
    await open.post({
      query: 'query ($q: String!) { search(query: $q, first: 1) { id } }',
      variables: { q: 'words' },
    });
    await open.server.close();
    const line = open.lines.find(({ msg }) => msg === 'request');
    expect(line).toMatchObject({ variables: { q: 'words' } });
    expect(line?.query).toContain('search(');
  });

  it('passes every MUST of the graphql-http audits', async () => {
    const results = await Promise.all(
      serverAudits({ url: `${server.url}/graphql`, fetchFn: fetch }).map(async (audit) => ({
        name: audit.name,
        status: (await audit.fn()).status,
      })),
    );
    const failed = (level: string): string[] =>
      results.filter(({ name, status }) => name.startsWith(level) && status !== 'ok').map(({ name }) => name);
    expect(failed('MUST')).toEqual([]);
    // Apollo answers application/json with 400 where these three audits want 200.
    expect(failed('SHOULD').length).toBeLessThanOrEqual(3);
  });

  it('X18: a port that is taken is a start failure of one line', async () => {
    const failure = startTestServer({ settings: { 'server.port': String(server.port) } });
    await expect(failure).rejects.toThrow(
      /^127\.0\.0\.1:\d+ is taken: choose another with PORT or server\.port$/,
    );
  });
});

describe('errors', () => {
  it('keep code, reason and message of a KindredError and carry the request id', async () => {
    const answer = await server.post({ query: '{ hello kindredFault(code: "FORBIDDEN") }' });
    expect(answer.status).toBe(200);
    expect(answer.body.data).toEqual({ hello: 'world', kindredFault: null });
    expect(answer.body.errors).toEqual([
      {
        message: 'a message for clients',
        locations: [{ line: 1, column: 9 }],
        path: ['kindredFault'],
        extensions: { code: 'FORBIDDEN', requestId: answer.headers.get('x-request-id') },
      },
    ]);
  });

  it('that nobody knows are masked and logged with their cause', async () => {
    server.lines.length = 0;
    const answer = await server.post({ query: '{ unknownFault }' });
    expect(answer.status).toBe(500);
    expect(answer.body.errors?.[0]?.message).toBe('Internal server error');
    expect(codes(answer)).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(answer.text).not.toMatch(/secret|db-7|stack|node_modules/);
    const line = server.lines.find(({ msg }) => msg === 'unexpected error');
    expect(line?.requestId).toBe(answer.headers.get('x-request-id'));
    expect(JSON.stringify(line)).toContain('db-7');
  });

  it.each([
    ['OVERLOADED', 429, '3'],
    ['UPSTREAM_UNAVAILABLE', 503, '3'],
    ['BAD_USER_INPUT', 400, null],
    ['UNAUTHENTICATED', 401, null],
  ])(
    'of code %s give a request without any data status %i and Retry-After %s',
    async (code, status, retryAfter) => {
      const answer = await server.post({ query: `{ kindredFault(code: "${code}", retryAfterMs: 2500) }` });
      expect(answer.status).toBe(status);
      expect(answer.headers.get('retry-after')).toBe(retryAfter);
      expect(codes(answer)).toEqual([code]);
    },
  );

  it('that differ give the status of the worst', async () => {
    const answer = await server.post({
      query: '{ a: kindredFault(code: "FORBIDDEN") b: kindredFault(code: "OVERLOADED") }',
    });
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it('thrown by a scalar on a variable keep their reason', async () => {
    const answer = await server.post({
      query: 'query ($at: Positive) { search(query: "x", at: $at) { id } }',
      variables: { at: -1 },
    });
    expect(answer.status).toBe(400);
    expect(answer.body.errors?.[0]).toMatchObject({
      message: 'a positive number is expected',
      extensions: { code: 'BAD_USER_INPUT', reason: 'NOT_FINITE' },
    });
  });
});

describe('deadlines', () => {
  it('end work that heeds the signal, and spare its siblings', async () => {
    const answer = await server.post(
      { query: '{ hello slow(ms: 60000) }' },
      { 'x-kindred-deadline-ms': '50' },
    );
    expect(answer.body.data).toEqual({ hello: 'world', slow: null });
    expect(codes(answer)).toEqual(['DEADLINE_EXCEEDED']);
  });

  it('answer a request whose resolver ignores the signal', async () => {
    const answer = await server.post(
      { query: '{ hello stubborn(ms: 3600000) }' },
      { 'x-kindred-deadline-ms': '50' },
    );
    expect(answer.status).toBe(504);
    expect(codes(answer)).toEqual(['DEADLINE_EXCEEDED']);
    expect(answer.body.errors?.[0]?.extensions.requestId).toBe(answer.headers.get('x-request-id'));
    expect(server.server.inFlight).toBe(0);
  });

  it('can be lowered by a client but not raised', async () => {
    const short = await startTestServer({ settings: { 'server.deadlineMs': '60' } });
    const answer = await short.post({ query: '{ slow(ms: 60000) }' }, { 'x-kindred-deadline-ms': '900000' });
    expect(answer.status).toBe(504);
    await short.server.close();
  });
});

describe('pages and health', () => {
  const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

  it('shows a browser GraphiQL at /graphql, with no reference to another host', async () => {
    const page = await send(`${server.url}/graphql`, { headers: browser });
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    const markup = page.text.replace(/<script>[\s\S]*?<\/script>/g, '');
    expect(markup).not.toMatch(/(?:src|href|action)\s*=\s*["']?(?:https?:)?\/\//i);
    expect(markup).not.toMatch(/@import|url\(\s*["']?(?:https?:)?\/\//i);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).not.toMatch(/https?:|\*/);
  });

  it('leads a browser from / to /graphql', async () => {
    const answer = await fetch(server.url, { headers: browser, redirect: 'manual' });
    expect(answer.status).toBe(302);
    expect(answer.headers.get('location')).toBe('/graphql');
  });

  it('says 404 in the same shape as every error', async () => {
    const answer = await send(`${server.url}/nothing`);
    expect(answer.status).toBe(404);
    expect(answer.body.errors?.[0]?.extensions).toEqual({
      code: 'BAD_REQUEST',
      requestId: answer.headers.get('x-request-id'),
    });
  });

  it('X24: is alive but not ready until its parts are, and names them without their reasons', async () => {
    let ready = false;
    const late = await startTestServer({
      readiness: () => ({ ready, components: [{ name: 'model v2', ready, reason: 'no file /etc/secret' }] }),
    });
    expect((await send(`${late.url}/healthz`)).status).toBe(200);
    const before = await send(`${late.url}/readyz`);
    expect(before.status).toBe(503);
    expect(before.body).toMatchObject({
      status: 'not ready',
      components: [{ name: 'model v2', ready: false }, {}, {}],
    });
    expect(before.text).not.toContain('secret');
    ready = true;
    expect((await send(`${late.url}/readyz`)).status).toBe(200);
    await late.server.close();
  });

  it('X19: a blocked event loop turns readiness off while liveness stays', async () => {
    const blocked = await startTestServer();
    expect((await send(`${blocked.url}/readyz`)).status).toBe(200);
    await blocked.post({ query: '{ block(ms: 2000) }' });
    const after = await send(`${blocked.url}/readyz`);
    expect(after.status).toBe(503);
    expect(after.text).toContain('{"name":"event loop","ready":false}');
    expect((await send(`${blocked.url}/healthz`)).status).toBe(200);
    expect((await blocked.post({ query: '{ hello }' })).body.data).toEqual({ hello: 'world' });
    await blocked.server.close();
  });
});
