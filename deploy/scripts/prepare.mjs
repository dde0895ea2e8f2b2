#!/usr/bin/env node
// Makes a clone ready to run: installs the locked packages when they are missing or others, builds when a source is newer than the
// build. Plain Node with no package, since it runs before there is any. `npm start` and `npm test` begin with it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PRODUCT, build, root, sources } from './build.mjs';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Kindred needs Node 20.19 or newer; this is ${process.version}. Get one from https://nodejs.org.`,
  );
  process.exit(1);
}

const digest = (text) => createHash('sha256').update(text).digest('hex');
const fresh = (stamp, value) => existsSync(stamp) && readFileSync(stamp, 'utf8') === value;

const lock = digest(readFileSync(join(root, 'package-lock.json')));
const installed = join(root, 'node_modules', '.kindred-lock');
if (!fresh(installed, lock)) {
  console.error('Installing packages (npm ci), about a minute ...');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { ONNXRUNTIME_NODE_INSTALL: 'skip' });
  writeFileSync(installed, lock);
}

const built = join(root, 'dist', '.kindred-build');
const state = digest(
  [...sources(PRODUCT), join(root, 'deploy/scripts/build.mjs')]
    .map((path) => `${path} ${statSync(path).mtimeMs} ${statSync(path).size}`)
    .join('\n'),
);
if (!fresh(built, state)) {
  console.error('Building ...');
  await build(PRODUCT);
  writeFileSync(built, state);
}

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
  });
  if (error) console.error(`${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}
