import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** Where Linux mounts the tree of control groups that may limit CPU time, by their version. */
const MOUNTS = { v1: 'sys/fs/cgroup/cpu', v2: 'sys/fs/cgroup' } as const;

/**
 * Cores that this process may use, whole ones, at least 1: those that it is bound to, and no more than its control groups give it time for,
 * as a container's CPU limit does. Node 20 doesn't know of the latter and would start a thread for every core of the host.
 */
export function availableCores(quota = cpuQuota()): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota)));
}

/**
 * CPU time that the control groups of this process give it, in cores, which may be a fraction; Infinity where nothing limits it. `root` is
 * where the system's files are. See "CPU Interface Files" in Linux' cgroup-v2.rst and sched-bwc.rst.
 */
export function cpuQuota(root = '/'): number {
  let quota = Infinity;
  for (const line of (read(join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    // `number:controllers:path`; version 2 names no controllers.
    const [, controllers, group = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers !== '' && !controllers?.split(',').includes('cpu')) continue;
    const mount = join(root, controllers === '' ? MOUNTS.v2 : MOUNTS.v1);
    const names = group.split('/').filter((name) => name !== '');
    // What is above a group limits it, too. In a container the path may be the host's, of which only the top is mounted.
    for (let depth = names.length; depth >= 0; depth--)
      quota = Math.min(quota, limitOf(join(mount, ...names.slice(0, depth))));
  }
  return quota;
}

/** Cores that one control group gives time for. */
function limitOf(folder: string): number {
  const [quota, period] = read(join(folder, 'cpu.max'))?.split(' ') ?? [
    read(join(folder, 'cpu.cfs_quota_us')),
    read(join(folder, 'cpu.cfs_period_us')),
  ];
  // Without a limit the quota is `max`, or -1.
  const cores = Number(quota) / Number(period);
  return cores > 0 ? cores : Infinity;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Not Linux, or not this version of control groups.
    return undefined;
  }
}
