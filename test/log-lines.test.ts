import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../src/package-root.js';

/** The messages that a process of its own logs which runs `code` with a `log`. */
function logged(code: string): string[] {
  const module = JSON.stringify(packageRoot('dist/src/log.js'));
  const script = `import { createLogger } from ${module}; const log = createLogger({ level: 'info', pretty: false }); ${code}`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { msg: string }).msg);
}

describe('lines that are kept back for a while', () => {
  it.each([
    ['ends by itself', ''],
    ['ends at once', 'process.exit(3);'],
    ['has no more than a moment', 'setTimeout(() => process.exit(), 5);'],
    ['fails', `setTimeout(() => { throw new Error('boom'); }, 5);`],
  ])('are all written when the process %s', (_name, end) => {
    expect(logged(`log.info('one'); log.info('two'); ${end}`)).toEqual(['one', 'two']);
  });

  it('are written with the next warning, whatever becomes of the process then', () => {
    // The main thread is held, so that no timer can be what writes.
    const kill = `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000); process.kill(process.pid, 'SIGKILL');`;
    expect(logged(`log.info('one'); log.warn('two'); ${kill}`)).toEqual(['one', 'two']);
  });
});
