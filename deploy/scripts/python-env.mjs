#!/usr/bin/env node
// Makes, once, a Python environment with the packages that test/python/NAME.requirements.txt pins, and prints the path of its python.
// Tests and benchmarks compare Kindred with peers that only Python has; nothing of the product needs it.
// usage: python-env.mjs NAME [--existing]   --existing: make nothing; print nothing when there is none.  PYTHON: the python to start from.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { root } from './build.mjs';

const { values, positionals } = parseArgs({
  options: { existing: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [name = ''] = positionals;
const requirements = join(root, 'test/python', `${name}.requirements.txt`);
if (!existsSync(requirements))
  fail(`expected the name of a test/python/NAME.requirements.txt, but got ${JSON.stringify(name)}`);

const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
const folder = join(cache, 'kindred/python', `${name}-${digest}`);
const python = join(folder, 'bin/python');
// Written last: an environment without it was cut off while it was made.
const complete = join(folder, '.complete');

if (!existsSync(complete) && !values.existing) {
  mkdirSync(dirname(folder), { recursive: true });
  const lock = `${folder}.lock`;
  await acquire(lock);
  try {
    if (!existsSync(complete)) make();
  } finally {
    rmSync(lock, { force: true });
  }
}
if (existsSync(complete)) console.log(python);

function make() {
  console.error(`Making a Python environment for ${name} in ${folder} ...`);
  run(process.env.PYTHON || 'python3', ['-m', 'venv', '--clear', folder]);
  run(python, [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--prefer-binary',
    '-r',
    requirements,
  ]);
  writeFileSync(complete, '');
}

/** Holds the file `lock`: test runs that start together make one environment, not two in the same place. */
async function acquire(lock) {
  for (;;) {
    try {
      return writeFileSync(lock, String(process.pid), { flag: 'wx' });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (holderOf(lock)) await sleep(200);
    else rmSync(lock, { force: true });
  }
}

/** Whether the process that holds the lock still runs. */
function holderOf(lock) {
  try {
    return process.kill(Number(readFileSync(lock, 'utf8')) || process.pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (error) throw new Error(`${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${status}`);
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
