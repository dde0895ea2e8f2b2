import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { type RunningServer, startServer } from '../server-process.js';

const TOKEN = 'a-token-of-these-tests';
/** Time for a chore on a busy machine, in ms: they come every 2 s. */
const CHORE_MS = 60_000;

describe('what a gateway does for a rollout by itself', () => {
  let folder: string;
  let server: RunningServer;
  const ask = async (query: string): Promise<{ data?: Record<string, unknown>; errors?: unknown }> => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({ query }),
    });
    return (await response.json()) as { data?: Record<string, unknown> };
  };
  const states = async (): Promise<unknown> => (await ask('{ models { id state health } }')).data?.models;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kindred-chores-'));
    cpSync(packageRoot('deploy/models/v1'), join(folder, 'models', 'v1'), { recursive: true });
    server = await startServer(
      {
        data: join(folder, 'data'),
        'models.folder': join(folder, 'models'),
        'models.versions': 'v1',
        'models.stable': 'v1',
        'store.adapter': 'memory',
        // A tenth of a second.
        'rollout.watch': 'true',
        'rollout.sunsetDays': '0.0000012',
        'embedding.threads': '1',
      },
      { KINDRED_ADMIN_TOKEN: TOKEN },
    );
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('knows a bundle that is put into models.folder, and passes over what is none', async () => {
    mkdirSync(join(folder, 'models', 'half'));
    writeFileSync(join(folder, 'models', 'half', 'model.json'), '{');
    cpSync(packageRoot('deploy/models/v1'), join(folder, 'models', 'w1'), { recursive: true });
    await expect.poll(states, { timeout: CHORE_MS }).toEqual([
      { id: 'v1', state: 'STABLE', health: 'READY' },
      { id: 'w1', state: 'ADDED', health: 'READY' },
    ]);
    const { data } = await ask('{ modelHistory(first: 1) { who action version why } }');
    expect(data?.modelHistory).toEqual([
      { who: 'kindred', action: 'add', version: 'w1', why: 'its bundle came up' },
    ]);
  });

  it('ends a version whose sunset has come, and unloads it', async () => {
    await ask('mutation { backfillModel(id: "w1") { id } }');
    await expect
      .poll(async () => JSON.stringify((await ask('{ models { id verified { rows } } }')).data), {
        timeout: CHORE_MS,
      })
      .toMatch(/"w1","verified":\{"rows":420\}/);
    expect((await ask('mutation { shadowModel(id: "w1") { id } }')).errors).toBeUndefined();
    const promoted = await ask('mutation { promoteModel(id: "w1", force: true, reason: "a test") { id } }');
    expect(promoted.errors).toBeUndefined();
    await expect
      .poll(states, { timeout: CHORE_MS })
      .toEqual([{ id: 'w1', state: 'STABLE', health: 'READY' }]);
    const { data } = await ask('{ modelHistory(first: 1) { who action version why } }');
    expect(data?.modelHistory).toEqual([
      { who: 'kindred', action: 'retire', version: 'v1', why: 'its sunset has come' },
    ]);
  });
});
