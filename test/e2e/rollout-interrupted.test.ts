import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { type RunningServer, startServer } from '../server-process.js';

const TOKEN = 'a-token-of-these-tests';
/** Time for something on a busy machine, in ms. */
const PATIENCE_MS = 60_000;

let folder: string;
let server: RunningServer | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kindred-interrupted-'));
  // The first one again is a version that takes no time.
  for (const [id, from] of [
    ['v1', 'v1'],
    ['v2', 'v2'],
    ['w1', 'v1'],
  ] as const)
    cpSync(packageRoot(`deploy/models/${from}`), join(folder, 'models', id), { recursive: true });
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const flags = (): Record<string, string> => ({
  data: join(folder, 'data'),
  'models.folder': join(folder, 'models'),
  'embedding.threads': '1',
  'models.versions': 'v1',
  'models.stable': 'v1',
  'rollout.pollMs': '100',
});
const start = async (more: Record<string, string> = {}): Promise<RunningServer> =>
  (server = await startServer({ ...flags(), ...more }, { KINDRED_ADMIN_TOKEN: TOKEN }));
const ask = async (query: string): Promise<string> => {
  const response = await fetch(`${server?.url ?? ''}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ query }),
  });
  return response.text();
};
const progress = async (): Promise<number> => {
  const { data } = JSON.parse(await ask('{ models { id backfill { done } } }')) as {
    data: { models: { id: string; backfill: { done: number } | null }[] };
  };
  return data.models.find(({ id }) => id === 'v2')?.backfill?.done ?? 0;
};
/** Runs `kindred`, and stops it by `signal` once `when` holds. */
const interrupted = async (
  args: readonly string[],
  signal: NodeJS.Signals,
  when: (child: ReturnType<typeof spawn>) => Promise<unknown>,
): Promise<number | null> => {
  const settings = Object.entries(flags()).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const child = spawn(process.execPath, [packageRoot('dist/src/cli/index.js'), ...args, ...settings], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  await when(child);
  child.kill(signal);
  const [code] = await ended;
  return code;
};

describe('X12: SIGTERM during a step of a rollout', () => {
  it('ends a gateway in time that is backfilling; the next one goes on from what is there', async () => {
    await start({ 'rollout.backfill.batchSize': '16' });
    await ask('mutation { backfillModel(id: "v2") { id } }');
    await expect.poll(progress, { timeout: PATIENCE_MS }).toBeGreaterThan(16);
    const stopped = performance.now();
    await server?.stop();
    // Far below server.shutdownGraceMs: nobody waits for the end of the backfill.
    expect(performance.now() - stopped).toBeLessThan(10_000);

    await start({ 'rollout.backfill.maxShare': '1' });
    expect(await ask('{ models { id state } }')).toContain('{"id":"v2","state":"BACKFILLING"}');
    // Half of a catalogue answers nobody.
    expect(await ask('{ search(query: "lamp", modelVersion: "v2", first: 1) { nodes { id } } }')).toContain(
      'MODEL_VERSION_UNAVAILABLE',
    );
    await ask('mutation { backfillModel(id: "v2") { id } }');
    await expect
      .poll(() => ask('{ models { id verified { rows } } }'), { timeout: PATIENCE_MS })
      .toContain('{"id":"v2","verified":{"rows":420}}');
  });

  it('ends the command by 143; the same command goes on, and no half state is left', async () => {
    await start();
    const begun = (): Promise<unknown> => expect.poll(progress, { timeout: PATIENCE_MS }).toBeGreaterThan(0);
    expect(await interrupted(['models', 'backfill', 'v2'], 'SIGTERM', begun)).toBe(143);
    const done = await progress();
    expect(done).toBeGreaterThan(0);
    const whole = await interrupted(['models', 'backfill', 'v2'], 'SIGTERM', (child) => once(child, 'exit'));
    expect(whole).toBe(0);
    await expect
      .poll(() => ask('{ models { id verified { rows } } }'), { timeout: PATIENCE_MS })
      .toContain('{"id":"v2","verified":{"rows":420}}');
  });

  it('ends the command while the model is loaded, and changes nothing but that the version is known', async () => {
    await start();
    const loading = async (): Promise<unknown> => sleep(700);
    const code = await interrupted(['models', 'backfill', 'v2'], 'SIGTERM', loading);
    expect([143, null]).toContain(code);
    expect(await ask('{ models { id state traffic } }')).toContain(
      '{"id":"v1","state":"STABLE","traffic":1}',
    );
    expect(await ask('{ search(query: "lamp", first: 1) { modelVersion { id } } }')).toContain('"id":"v1"');
  });
});

describe('X8: a version with traffic whose file is damaged', () => {
  it('is FAILED where it can not be loaded; the stable one answers all, and the guardrail takes its traffic', async () => {
    await start({ 'rollout.backfill.maxShare': '1' });
    await ask('mutation { backfillModel(id: "w1") { id } }');
    await expect
      .poll(() => ask('{ models { id verified { rows } } }'), { timeout: PATIENCE_MS })
      .toContain('{"id":"w1","verified":{"rows":420}}');
    await ask('mutation { shadowModel(id: "w1") { id } }');
    await ask('mutation { setModelTraffic(id: "w1", share: 1, force: true, reason: "a test") { id } }');
    const search = '{ search(query: "lamp", first: 1) { modelVersion { id } } }';
    expect(await ask(search)).toContain('"id":"w1"');
    await server?.stop();

    truncateSync(join(folder, 'models/w1/model.onnx'), 100_000);
    await start({ 'rollout.guardrail.minRequests': '10' });
    // No reason to take this replica from its users: the stable version answers them.
    const ready = await fetch(`${server?.url ?? ''}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.text()).toMatch(/"name":"model w1","ready":false/);
    expect(await ask('{ models { id state health } }')).toContain(
      '{"id":"w1","state":"CANARY","health":"FAILED"}',
    );
    for (let turn = 0; turn < 40; turn += 1)
      expect(JSON.parse(await ask(search))).toEqual({ data: { search: { modelVersion: { id: 'v1' } } } });
    await expect
      .poll(() => ask('{ models { id state traffic } }'), { timeout: PATIENCE_MS })
      .toContain('{"id":"w1","state":"SHADOW","traffic":0}');
    expect(await ask('{ modelHistory(first: 1) { who version action } }')).toContain(
      '{"who":"guardrail","version":"w1","action":"rollback"}',
    );
  });
});
