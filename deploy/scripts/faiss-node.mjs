#!/usr/bin/env node
// Builds, once, the package faiss-node against the FAISS of this machine, and prints its folder, for `store.faiss.package`. Needs g++, the headers of
// Node and FAISS: `apt-get install g++ libnode-dev libfaiss-dev libopenblas-dev` on Debian. (`npm install faiss-node` downloads a binary from GitHub
// instead, or builds FAISS itself from there, which a closed network does not let it.)
// usage: faiss-node.mjs [--existing]   --existing: build nothing; print nothing when there is none.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const VERSION = '0.5.1';
const { values } = parseArgs({ options: { existing: { type: 'boolean', default: false } } });
const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
const home = join(cache, 'kindred', `faiss-node-${VERSION}-${process.arch}`);
const folder = join(home, 'node_modules/faiss-node');

if (!existsSync(home) && !values.existing) {
  // Another run may build at the same time: each in a place of its own, and whoever is first counts.
  const making = `${home}.${process.pid}`;
  try {
    make(making);
    if (!existsSync(home)) renameSync(making, home);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}
if (existsSync(folder)) console.log(folder);

function make(place) {
  console.error(`Building faiss-node ${VERSION} in ${home} ...`);
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), '{ "private": true }');
  run('npm', ['install', '--silent', '--ignore-scripts', '--prefix', place, `faiss-node@${VERSION}`]);
  const source = join(place, 'node_modules/faiss-node');
  const release = join(source, 'build/Release');
  mkdirSync(release, { recursive: true });
  // FAISS before 1.7.4 has the type of its ids inside of the class.
  const shim = join(place, 'ids.h');
  writeFileSync(
    shim,
    '#include <faiss/Index.h>\n#if FAISS_VERSION_MAJOR == 1 && FAISS_VERSION_MINOR == 7 && FAISS_VERSION_PATCH < 4\nnamespace faiss { using idx_t = Index::idx_t; }\n#endif\n',
  );
  const headers = ['/usr/include/node', join(dirname(dirname(process.execPath)), 'include/node')];
  run('g++', [
    ...['-std=c++17', '-O2', '-shared', '-fPIC', '-fopenmp', '-DNAPI_VERSION=6', '-include', shim],
    ...headers.flatMap((path) => ['-I', path]),
    ...['-I', join(place, 'node_modules/node-addon-api'), join(source, 'src/faiss.cc')],
    ...['-lfaiss', '-lopenblas', '-o', join(release, 'faiss-node.node')],
  ]);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (error) throw new Error(`${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${command} exited with ${status}`);
}
