import { Agent, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { rawRequest, send, startTestServer, type TestServer, until } from './http-server.js';

describe('closing the server', () => {
  it('turns readiness off first, while requests are still taken', async () => {
    const server = await startTestServer({ settings: { 'server.drainMs': '2000' } });
    expect((await send(`${server.url}/readyz`)).status).toBe(200);
    const closed = server.server.close();
    const ready = await send(`${server.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(ready.headers.get('connection')).toBe('close');
    expect((await server.post({ query: '{ hello }' })).body.data).toEqual({ hello: 'world' });
    await closed;
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it('finishes what is in flight and takes no new connections', async () => {
    const server = await startTestServer();
    const held = server.post({ query: '{ slow(ms: 300) }' });
    await until(() => server.server.inFlight === 1);
    await server.server.close();
    const answer = await held;
    expect(answer.body).toEqual({ data: { slow: 'done' } });
    expect(answer.headers.get('connection')).toBe('close');
    expect(server.server.inFlight).toBe(0);
  });

  it('ends requests that outlast the grace with a coded answer', async () => {
    const server = await startTestServer({
      settings: { 'server.shutdownGraceMs': '100', 'server.deadlineMs': '60000' },
    });
    const held = server.post({ query: '{ slow(ms: 60000) }' });
    const stubborn = server.post({ query: '{ stubborn(ms: 3600000) }' });
    await until(() => server.server.inFlight === 2);
    await server.server.close();
    for (const answer of [await held, await stubborn]) {
      expect(answer.status).toBe(503);
      expect(answer.body.errors?.[0]?.extensions.code).toBe('UPSTREAM_UNAVAILABLE');
    }
  });

  it('cuts off clients that never finish their request', async () => {
    const server = await startTestServer({ settings: { 'server.shutdownGraceMs': '100' } });
    const answer = rawRequest(
      server.port,
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{',
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.server.close();
    expect(await answer).not.toContain('200 OK');
  });

  it('is done once however often it is asked for', async () => {
    const server = await startTestServer();
    const first = server.server.close();
    expect(server.server.close()).toBe(first);
    await first;
  });

  it('X11: fails no request of clients that stop when /readyz says so, as a load balancer does', async () => {
    const server = await startTestServer({ settings: { 'server.drainMs': '1500' } });
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const results: (number | string)[] = [];
    let ready = true;
    const client = async (): Promise<void> => {
      while (ready) results.push(await hello(server, agent));
    };
    const check = async (): Promise<void> => {
      while (ready) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        ready = (await send(`${server.url}/readyz`)).status === 200;
      }
    };
    const work = [...Array.from({ length: 8 }, client), check()];
    await until(() => results.length > 50);
    await server.server.close();
    await Promise.all(work);
    agent.destroy();
    expect(results.filter((each) => each !== 200)).toEqual([]);
  });
});

function hello({ port }: TestServer, agent: Agent): Promise<number | string> {
  return new Promise((resolve) => {
    const body = JSON.stringify({ query: '{ hello }' });
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const sent = request(
      { port, host: '127.0.0.1', path: '/graphql', method: 'POST', agent, headers },
      (response) => {
        response.resume();
        response.on('end', () => {
          resolve(response.statusCode ?? 0);
        });
      },
    );
    sent.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    sent.end(body);
  });
}
