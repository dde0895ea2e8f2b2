import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startOtlpReceiver } from '../otlp-receiver.js';
import { startServer } from '../server-process.js';

it('one search is one trace through every hop, and its shared batch is linked to it', async () => {
  const receiver = await startOtlpReceiver();
  const folder = await mkdtemp(join(tmpdir(), 'kindred-trace-'));
  const server = await startServer({ data: folder }, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const parent = 'b7ad6b7169203331';
  const secret = 'zanzibar quicksilver';
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-${parent}-01` },
    body: JSON.stringify({
      query: 'query Traced($text: String!) { search(query: $text, first: 3) { nodes { title } } }',
      variables: { text: secret },
    }),
  });
  expect(
    ((await response.json()) as { data: { search: { nodes: unknown[] } } }).data.search.nodes,
  ).toHaveLength(3);
  // Stopping flushes what is left.
  await server.stop();
  await receiver.close();
  await rm(folder, { recursive: true, force: true });

  const mine = receiver.spans.filter((span) => span.traceId === traceId);
  const named = (name: string): (typeof mine)[number] => {
    const span = mine.find((each) => each.name === name);
    if (span === undefined)
      throw new Error(`no span ${name} among ${mine.map((each) => each.name).join(', ')}`);
    return span;
  };
  const path = (name: string): string[] => {
    const names: string[] = [];
    for (let span: (typeof mine)[number] | undefined = named(name); span !== undefined;) {
      const parentSpanId: string = span.parentSpanId;
      names.unshift(span.name);
      span = mine.find((each) => each.spanId === parentSpanId);
    }
    return names;
  };
  expect(named('http.request').parentSpanId).toBe(parent);
  expect(path('graphql.parse')).toEqual(['http.request', 'graphql.parse']);
  expect(path('graphql.validate')).toEqual(['http.request', 'graphql.validate']);
  const loader = ['http.request', 'graphql.execute', 'loader.batch'];
  expect(path('cache.get')).toEqual([...loader, 'cache.get']);
  expect(path('embedding.queue').slice(0, 3)).toEqual(loader);
  expect(path('vectors.search')).toEqual([...loader, 'vectors.search']);
  expect(path('vectors.fetch')).toEqual([...loader, 'vectors.fetch']);

  const batch = receiver.spans.find(
    (span) => span.name === 'embedding.batch' && span.links.some((link) => link.traceId === traceId),
  );
  expect(batch?.parentSpanId).toBe('');
  expect(batch?.traceId).not.toBe(traceId);
  expect(mine.map((span) => span.spanId)).toContain(batch?.links[0]?.spanId);
  expect(batch === undefined ? [] : receiver.childrenOf(batch).map((span) => span.name)).toContain(
    'embedding.session.run',
  );

  // No span holds what the user asked.
  expect(JSON.stringify(receiver.spans)).not.toContain('zanzibar');
});
