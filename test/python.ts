import { execFileSync } from 'node:child_process';
import { packageRoot } from '../src/package-root.js';

/**
 * The python of the environment that `node deploy/scripts/python-env.mjs NAME` made from test/python/NAME.requirements.txt; undefined
 * when it was not made, as on a machine without Python.
 */
export function pythonOf(name: string): string | undefined {
  const script = packageRoot('deploy/scripts/python-env.mjs');
  const path = execFileSync(process.execPath, [script, name, '--existing'], { encoding: 'utf8' }).trim();
  return path === '' ? undefined : path;
}

/**
 * As pythonOf, for tests: `skip` tells why a suite has to be skipped (to put into its title), and is undefined when it can run. In CI
 * a missing environment is an error.
 */
export function pythonForTests(name: string): { readonly python: string; readonly skip: string | undefined } {
  const python = pythonOf(name);
  if (python !== undefined) return { python, skip: undefined };
  const reason = `it needs: node deploy/scripts/python-env.mjs ${name}`;
  if (process.env.CI === 'true') throw new Error(`expected a Python environment named ${name}; ${reason}`);
  return { python: '', skip: reason };
}
