import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startServer } from '../server-process.js';

const chromium = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);

// A machine without a browser skips it; CI installs Debian's, so that there a missing one is a failure.
it.skipIf(chromium === undefined && process.env.CI === undefined)(
  'GraphiQL comes up in a browser at /graphql, asking nothing of any other host (skipped without Chromium)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kindred-graphiql-'));
    const server = await startServer({ data: join(folder, 'data') });
    const { stdout, stderr } = spawnSync(
      chromium ?? 'chromium',
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        // Whatever the page asks of another host fails to resolve, and would be missed below.
        '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost',
        `--user-data-dir=${join(folder, 'profile')}`,
        '--virtual-time-budget=15000',
        '--dump-dom',
        `${server.url}/graphql`,
      ],
      { encoding: 'utf8', timeout: 50_000, maxBuffer: 64 << 20 },
    );
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
    expect(stdout, stderr).toContain('graphiql-editor');
    expect(stdout).toContain('Execute query');
    const elsewhere = [
      ...stdout.matchAll(/<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:\/\/[^"]+)"/g),
    ]
      .map(([, url]) => url)
      .filter((url) => url?.startsWith(server.url) !== true);
    expect(elsewhere).toEqual([]);
  },
);
