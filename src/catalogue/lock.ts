import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ImportError } from './import-error.js';

/** How often a lock's holder shows that it lives, and after how long without that it counts as dead on another host, in ms. */
const HEARTBEAT_MS = 10_000;
const DEAD_AFTER_MS = 60_000;

const holderSchema = z.object({ token: z.string(), pid: z.int(), started: z.string(), host: z.string() });
type Holder = z.infer<typeof holderSchema>;

/**
 * Takes the lock file at `path` and answers how to release it. A lock whose process is gone is taken over; one that is held is an
 * ImportError. Atomic on local file systems.
 */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  const own: Holder = {
    token: randomUUID(),
    pid: process.pid,
    started: startOf(process.pid),
    host: hostname(),
  };
  await mkdir(dirname(path), { recursive: true });
  for (let attempt = 1; ; attempt++) {
    try {
      await writeFile(path, JSON.stringify(own), { flag: 'wx' });
      break;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const holder = await readHolder(path);
    if (attempt > 3 || !(await isDead(path, holder))) throw held(path, holder);
    await putAside(path, holder, own.token);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return async () => {
    clearInterval(heartbeat);
    if ((await readHolder(path))?.token === own.token) await rm(path, { force: true });
  };
}

function held(path: string, holder: Holder | null): ImportError {
  const who = holder === null ? 'another process' : `process ${String(holder.pid)} on ${holder.host}`;
  return new ImportError(`expected no other import into this data folder, but ${who} holds ${path}`);
}

async function readHolder(path: string): Promise<Holder | null> {
  try {
    return holderSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}

async function isDead(path: string, holder: Holder | null): Promise<boolean> {
  // Only on its own host can a process be asked; elsewhere, and when the file says nothing, its heartbeat tells.
  if (holder !== null && holder.host === hostname())
    return !isAlive(holder.pid) || startOf(holder.pid) !== holder.started;
  try {
    return Date.now() - (await stat(path)).mtimeMs > DEAD_AFTER_MS;
  } catch {
    return true;
  }
}

/** Moves a dead holder's lock away; when another process took it over in between, puts that one's back. */
async function putAside(path: string, dead: Holder | null, token: string): Promise<void> {
  const aside = `${path}.${token}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readHolder(aside))?.token === dead?.token) await rm(aside, { force: true });
  else await rename(aside, path);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** When a process started, so that another one with its number is not taken for it; '' where the system does not tell. */
function startOf(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')
      .at(-1)
      ?.split(' ');
    return fields?.[19] ?? '';
  } catch {
    return '';
  }
}
