#!/usr/bin/env node
// Adds to package-lock.json the optional packages of other platforms that npm left out because the registry mirror in use does not carry
// them: `npm ci` refuses a lock without them, though it would never install them here. Run it after `npm install` behind such a mirror.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(path, 'utf8'));

/** What the name of a platform package says: `...-linux-arm64-gnu` is { os: ['linux'], cpu: ['arm64'], libc: ['glibc'] }. */
function platformOf(name) {
  const os = /(darwin|linux|win32|freebsd|android|openharmony|netbsd|openbsd|sunos|aix)/.exec(name)?.[1];
  const cpu = /(arm64|arm|x64|ia32|riscv64|ppc64|s390x|loong64|wasm32)/.exec(
    name.slice(name.indexOf(os)),
  )?.[1];
  const libc = /-musl/.test(name) ? 'musl' : os === 'linux' && /-gnu/.test(name) ? 'glibc' : undefined;
  return os && cpu ? { cpu: [cpu], ...(libc ? { libc: [libc] } : {}), os: [os] } : undefined;
}

let added = 0;
for (const entry of Object.values(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const platform = platformOf(name);
    if (lock.packages[key] || !platform) continue;
    lock.packages[key] = {
      version: range.replace(/^[^\d]*/, ''),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      ...platform,
    };
    added++;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} packages of other platforms added`);
