import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadConfig } from '../src/config.js';
import { type Domain, openDomain } from '../src/main.js';
import { asEmbedding } from './conformance/embedder.js';
import { type ModelServer, SERVED } from './model-server.js';
import { startOpenInferenceServer } from './open-inference-server.js';

let folder: string;
let server: ModelServer;
let domain: Domain;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kindred-remote-'));
  server = await startOpenInferenceServer();
  await mkdir(join(folder, 'models/far'), { recursive: true });
  const manifest = { id: 'far', name: 'Far away', protocol: 'open-inference', url: server.url, model: 'bag' };
  const breaker = { failures: 1, probeMs: 50 };
  await writeFile(
    join(folder, 'models/far/remote.json'),
    JSON.stringify({ ...manifest, ...SERVED, breaker, retries: 0 }),
  );
  const flags = {
    data: join(folder, 'data'),
    'models.folder': join(folder, 'models'),
    'models.versions': 'far',
    'models.stable': 'far',
    'store.adapter': 'memory',
    'log.level': 'silent',
  };
  domain = await openDomain(loadConfig({ env: {}, flags }));
});
afterAll(async () => {
  await domain.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

it('a folder with remote.json serves as a model version like any other', async () => {
  const { version, embedder } = domain.registry.resolve();
  expect(version).toMatchObject({ id: 'far', name: 'Far away', health: 'READY', ...SERVED });
  asEmbedding((await embedder.embed(['a shoe'], { purpose: 'query' }))[0]);
});

it('X17: its gateway is not ready while the server is away, tells operators why, and is ready again by itself', async () => {
  const { embedder } = domain.registry.resolve();
  await server.stop();
  const [outcome] = await embedder.embed(['a hat'], { purpose: 'query' });
  expect(outcome).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE' });
  expect(domain.registry.ready()).toBe(false);
  expect(domain.registry.faults()).toEqual({ far: expect.stringContaining('no connection') as string });
  // What was embedded before is still in the cache.
  asEmbedding((await embedder.embed(['a shoe'], { purpose: 'query' }))[0]);
  await server.start();
  await vi.waitFor(() => expect(domain.registry.ready()).toBe(true), { timeout: 5_000 });
});
