import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type RunningTelemetry, startTelemetry } from '../src/telemetry-sdk.js';
import { withSpan } from '../src/telemetry.js';
import { send, startTestServer, type TestServer, testConfig, until } from './http-server.js';
import { type OtlpReceiver, startOtlpReceiver } from './otlp-receiver.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Traced {
  server: TestServer;
  running: RunningTelemetry;
}

async function traced(env: Record<string, string>, settings: Record<string, string> = {}): Promise<Traced> {
  const running = startTelemetry(testConfig(settings), env);
  const { telemetry, metricsHandler } = running;
  const server = await startTestServer({ settings, telemetry, metricsHandler });
  closers.unshift(() => running.shutdown());
  closers.unshift(() => server.server.close());
  return { server, running };
}

async function receiver(): Promise<OtlpReceiver> {
  const otlp = await startOtlpReceiver();
  closers.push(() => otlp.close());
  return otlp;
}

describe('traces', () => {
  it('show one request as HTTP, parse, validate and execute, below the span of the caller', async () => {
    const otlp = await receiver();
    const { server, running } = await traced({ OTEL_EXPORTER_OTLP_ENDPOINT: otlp.endpoint });
    const parent = { trace: 'a'.repeat(32), span: 'b'.repeat(16) };
    await server.post(
      { query: 'query Greet { hello }' },
      { traceparent: `00-${parent.trace}-${parent.span}-01` },
    );
    await until(() => server.lines.some(({ msg }) => msg === 'request'));
    await running.shutdown();
    const http = await otlp.waitFor(({ name }) => name === 'http.request');
    expect(http).toMatchObject({
      service: 'kindred',
      traceId: parent.trace,
      parentSpanId: parent.span,
      kind: 2,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/graphql',
        'http.response.status_code': 200,
      },
    });
    const children = otlp.childrenOf(http);
    expect(children.map(({ name }) => name).sort()).toEqual([
      'graphql.execute',
      'graphql.parse',
      'graphql.validate',
    ]);
    expect(children.find(({ name }) => name === 'graphql.execute')?.attributes).toEqual({
      'graphql.operation.type': 'query',
      'graphql.operation.name': 'Greet',
    });
    expect(server.lines.find(({ msg }) => msg === 'request')?.traceId).toBe(parent.trace);
  });

  it('put the spans that resolvers make below the execution, also after the body came in pieces', async () => {
    const otlp = await receiver();
    const { server, running } = await traced({ OTEL_EXPORTER_OTLP_ENDPOINT: otlp.endpoint });
    server.seen.inResolver = () => withSpan(running.telemetry, 'below', {}, () => Promise.resolve('ok'));
    const pieces = ['{"query":', '"{ spanned }"}'];
    await send(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      duplex: 'half',
      body: new ReadableStream({
        async pull(controller) {
          const piece = pieces.shift();
          await new Promise((resolve) => setTimeout(resolve, 10));
          if (piece === undefined) controller.close();
          else controller.enqueue(new TextEncoder().encode(piece));
        },
      }),
    });
    await until(() => server.lines.some(({ msg }) => msg === 'request'));
    await running.shutdown();
    const execute = await otlp.waitFor(({ name }) => name === 'graphql.execute');
    expect(otlp.childrenOf(execute).map(({ name }) => name)).toEqual(['below']);
  });

  it('are not made for health checks, and mark a 5xx as an error', async () => {
    const otlp = await receiver();
    const { server, running } = await traced({ OTEL_EXPORTER_OTLP_ENDPOINT: otlp.endpoint });
    await send(`${server.url}/healthz`);
    await server.post({ query: '{ unknownFault }' });
    await until(() => server.lines.some(({ status }) => status === 500));
    await running.shutdown();
    const http = await otlp.waitFor(({ name }) => name === 'http.request');
    expect(http.status).toBe(2);
    expect(otlp.spans.filter(({ name }) => name === 'http.request')).toHaveLength(1);
  });

  it('are left out by sampleRatio unless the caller samples', async () => {
    const otlp = await receiver();
    const { server, running } = await traced(
      { OTEL_EXPORTER_OTLP_ENDPOINT: otlp.endpoint },
      { 'telemetry.sampleRatio': '0' },
    );
    await server.post({ query: '{ hello }' });
    await server.post({ query: '{ hello }' }, { traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01` });
    await until(() => server.lines.filter(({ msg }) => msg === 'request').length === 2);
    await running.shutdown();
    await otlp.waitFor(({ name }) => name === 'http.request');
    expect(new Set(otlp.spans.map(({ traceId }) => traceId))).toEqual(new Set(['c'.repeat(32)]));
  });

  it('are not recorded at all when no endpoint is set', async () => {
    const { running } = await traced({});
    await withSpan(running.telemetry, 'nothing', {}, (span) => {
      expect(span.isRecording()).toBe(false);
      return Promise.resolve();
    });
  });

  it.each(['refuses connections', 'never answers'])(
    'X22: a collector that %s changes no answer and no shutdown',
    async (how) => {
      const sink = createServer(() => undefined);
      await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
      const { port } = sink.address() as AddressInfo;
      if (how === 'refuses connections') await new Promise((resolve) => sink.close(resolve));
      else closers.push(() => new Promise((resolve) => sink.close(resolve)));
      const { server, running } = await traced({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
      for (let i = 0; i < 20; i++) expect((await server.post({ query: '{ hello }' })).status).toBe(200);
      await expect(running.shutdown()).resolves.toBeUndefined();
      sink.unref();
      closers.splice(0, closers.length, () => server.server.close());
    },
  );
});

describe('metrics', () => {
  it('count requests by route and status, errors by code, and what is in flight', async () => {
    const { server } = await traced({});
    await server.post({ query: '{ hello }' });
    await server.post({ query: '{ kindredFault(code: "OVERLOADED") }' });
    const held = server.post({ query: '{ slow(ms: 60000) }' }, { 'x-kindred-deadline-ms': '200' });
    await until(() => server.server.inFlight === 1);
    const page = await send(`${server.url}/metrics`);
    expect(page.headers.get('content-type')).toContain('text/plain');
    expect(page.text).toMatch(/^kindred_requests_total\{route="\/graphql",status="2xx"\} 1$/m);
    expect(page.text).toMatch(/^kindred_requests_total\{route="\/graphql",status="4xx"\} 1$/m);
    expect(page.text).toMatch(/^kindred_errors_total\{code="OVERLOADED"\} 1$/m);
    expect(page.text).toMatch(
      /^kindred_request_duration_bucket\{route="\/graphql",status="2xx",le="0\.01"\}/m,
    );
    expect(page.text).toMatch(/^kindred_requests_in_flight 1$/m);
    expect(page.text).toMatch(/^kindred_event_loop_delay_p99 [\d.e-]+$/m);
    await held;
  });

  it('are not served when they are switched off', async () => {
    const { server } = await traced({}, { 'telemetry.metrics': 'false' });
    expect((await send(`${server.url}/metrics`)).status).toBe(404);
  });
});
