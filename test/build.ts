import { execFileSync } from 'node:child_process';
import { packageRoot } from '../src/package-root.js';

/** Worker threads, and tests that start the server, run the built code: build it once before any test. */
export default function build(): void {
  execFileSync(process.execPath, [packageRoot('deploy/scripts/prepare.mjs')], { stdio: 'inherit' });
}
