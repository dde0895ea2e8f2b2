import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunningServer, isGone, startServer } from './server-process.js';

const LINUX = process.platform === 'linux';

describe.skipIf(!LINUX)(
  'a gateway whose whole process ends (skipped outside Linux, which alone has prlimit)',
  () => {
    let folder: string;
    let server: RunningServer;
    const start = (): Promise<RunningServer> =>
      startServer({ data: folder, 'models.versions': 'v1', 'models.stable': 'v1', 'embedding.threads': '1' });
    const ask = async (query: string, variables: object): Promise<{ data: unknown; errors?: unknown }> => {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
      });
      return (await response.json()) as { data: unknown; errors?: unknown };
    };
    const search = (text: string): Promise<unknown> =>
      ask('query ($text: String!) { search(query: $text) { edges { score node { id } } } }', { text });
    let before: unknown;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'kindred-process-'));
      server = await start();
      before = await search('a warm jacket');
    });
    afterAll(async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    });

    it('X5: answers as before when a supervisor starts it again after a native abort under load', async () => {
      const { pid } = server;
      const asked = Promise.allSettled(
        Array.from({ length: 16 }, (_, index) => search(`shoe ${String(index)}`)),
      );
      process.kill(pid, 'SIGABRT');
      await asked;
      await vi.waitFor(() => expect(isGone(pid)).toBe(true), { timeout: 10_000 });
      server = await start();
      expect(await search('a warm jacket')).toEqual(before);
    });

    it('X6: without memory it answers or ends, never wrongly, and answers as before once it is started again', async () => {
      const { pid } = server;
      const size = Number(
        /^VmSize:\s+(\d+) kB/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1],
      );
      execFileSync('prlimit', ['--pid', String(pid), `--as=${String((size + 8 * 1024) * 1024)}`]);
      const inputs = Array.from({ length: 32 }, (_, index) => ({
        text: `${'long text '.repeat(500)}${String(index)}`,
      }));
      const embed =
        'query ($inputs: [EmbedInput!]!) { embed(inputs: $inputs) { __typename ... on Embedding { vector } } }';
      const answers = await Promise.allSettled(
        Array.from({ length: 32 }, (_, at) =>
          ask(embed, { inputs: inputs.map(({ text }) => ({ text: `${text} ${String(at)}` })) }),
        ),
      );
      for (const answer of answers) {
        if (answer.status === 'rejected') continue;
        const embedded = (answer.value.data as { embed?: { vector?: number[] }[] } | null)?.embed ?? [];
        for (const { vector } of embedded) if (vector) expect(Math.hypot(...vector)).toBeCloseTo(1, 3);
      }
      if (!isGone(pid)) process.kill(pid, 'SIGKILL');
      await vi.waitFor(() => expect(isGone(pid)).toBe(true), { timeout: 10_000 });
      server = await start();
      expect(await search('a warm jacket')).toEqual(before);
    });
  },
);
