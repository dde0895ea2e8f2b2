import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';
import type { Embedder, Embedding } from '../src/embedding/embedder.js';
import { type Domain, type Gateway, openDomain, openGateway } from '../src/main.js';
import { openRemote, remoteOf } from './remotes.js';

let folder: string;
let domain: Domain;
let gateway: Gateway;
let embedder: Embedder;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-far-'));
  const flags = {
    'server.port': '0',
    'server.drainMs': '0',
    'store.adapter': 'memory',
    'log.level': 'silent',
    'models.versions': 'v1',
    'models.stable': 'v1',
    data: folder,
  };
  domain = await openDomain(loadConfig({ env: {}, flags }));
  gateway = await openGateway(domain);
  embedder = await openRemote(
    remoteOf({ protocol: 'openai', url: `${gateway.url}/v1`, model: 'v1', dimension: 256, maxTokens: 256 }),
  );
});

afterAll(async () => {
  await embedder.close();
  await gateway.close();
  await domain.close();
  await rm(folder, { recursive: true, force: true });
});

it('another Kindred behind /v1/embeddings gives the vectors that it has itself', async () => {
  const texts = ['gloves for gardening', 'usb charging cable', 'sore knees when weeding'];
  const here = (await embedder.embed(texts, { purpose: 'query' })) as Embedding[];
  const there = (await domain.registry
    .resolve('v1')
    .embedder.embed(texts, { purpose: 'query' })) as Embedding[];
  for (const [index, { vector }] of here.entries()) {
    expect(vector).toHaveLength(256);
    expect(dot(vector, there[index]?.vector ?? new Float32Array(256))).toBeGreaterThan(0.99999);
  }
});

it('a text that the other Kindred refuses fails alone', async () => {
  const [before, refused, after] = await embedder.embed(['a shoe', '\u200b', 'a hat'], { purpose: 'query' });
  expect(refused).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'EMPTY' });
  expect(before).toHaveProperty('vector');
  expect(after).toHaveProperty('vector');
});

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}
