import { execFileSync } from 'node:child_process';
import { constants, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../src/package-root.js';
import { type RunningServer, startServer } from '../server-process.js';

/** Time for a version to be tried again on a busy machine, in ms: it is after 3 s. */
const RETRIED_MS = 60_000;

describe.skipIf(process.platform === 'win32')(
  'a version on a slow disk (skipped on Windows, which has no named pipes in folders)',
  () => {
    let folder: string;
    let server: RunningServer;
    const models = (): string => join(folder, 'models');
    const ask = async (query: string): Promise<{ data: unknown; errors?: { extensions: unknown }[] }> => {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      });
      return (await response.json()) as Awaited<ReturnType<typeof ask>>;
    };
    const search = (version: string): ReturnType<typeof ask> =>
      ask(`{ search(query: "lamp", modelVersion: "${version}") { nodes { id } } }`);
    const health = async (): Promise<unknown> => (await ask('{ models { id health } }')).data;
    const readiness = async (): Promise<unknown> => (await fetch(`${server.url}/readyz`)).json();
    /** Opens the pipe for writing as soon as somebody reads from it. */
    const whenRead = (pipe: string): Promise<FileHandle> =>
      vi.waitFor(() => open(pipe, constants.O_WRONLY | constants.O_NONBLOCK), {
        timeout: RETRIED_MS,
        interval: 50,
      });

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'kindred-slow-disk-'));
      const v1 = packageRoot('deploy/models/v1');
      cpSync(v1, join(models(), 'v1'), { recursive: true });
      cpSync(v1, join(models(), 'slow'), { recursive: true });
      rmSync(join(models(), 'slow', 'model.json'));
      server = await startServer({
        data: join(folder, 'data'),
        'models.folder': models(),
        'models.versions': 'v1,slow',
        'models.stable': 'v1',
        'store.adapter': 'memory',
        'embedding.threads': '1',
      });
    });
    afterAll(async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    it('X8: is FAILED in `models` and not ready in /readyz while its files are read, the other serves, and so does it at the end', async () => {
      // A pipe is a file that is read as slowly as it is written.
      const pipe = join(models(), 'slow', 'model.json');
      execFileSync('mkfifo', [pipe]);
      const json = readFileSync(join(models(), 'v1', 'model.json'), 'utf8').replace(
        '"id": "v1"',
        '"id": "slow"',
      );
      const file = await whenRead(pipe);
      await file.write(json.slice(0, 1_000));
      for (let time = 0; time < 5; time++) {
        expect((await search('v1')).errors).toBeUndefined();
        expect((await search('slow')).errors?.[0]?.extensions).toMatchObject({
          code: 'MODEL_VERSION_UNAVAILABLE',
        });
      }
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
      expect(await readiness()).toEqual({
        status: 'not ready',
        components: expect.arrayContaining([
          { name: 'model v1', ready: true },
          { name: 'model slow', ready: false },
        ]) as unknown,
      });
      expect(await health()).toEqual({
        models: [
          { id: 'v1', health: 'READY' },
          { id: 'slow', health: 'FAILED' },
        ],
      });
      await file.write(json.slice(1_000));
      await file.close();
      await vi.waitFor(
        async () => {
          expect((await search('slow')).errors).toBeUndefined();
        },
        { timeout: RETRIED_MS, interval: 100 },
      );
      expect((await search('v1')).errors).toBeUndefined();
      expect(await health()).toEqual({
        models: [
          { id: 'v1', health: 'READY' },
          { id: 'slow', health: 'READY' },
        ],
      });
    });
  },
);
