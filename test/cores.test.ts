import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { availableCores, cpuQuota } from '../src/cores.js';
import { packageRoot } from '../src/package-root.js';

describe('the CPU quota of a process', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kindred-cores-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });
  const system = (files: Record<string, string>): number => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return cpuQuota(root);
  };

  it('is the limit of a container by control groups of version 2', () => {
    expect(system({ 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '150000 100000\n' })).toBe(1.5);
  });

  it("is the limit of a container by version 1, where the path is the host's", () => {
    const files = {
      'proc/self/cgroup': '4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n',
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '400000\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    };
    expect(system(files)).toBe(4);
  });

  it('is the least of the limits of a service and of what is above it', () => {
    const files = {
      'proc/self/cgroup': '0::/shop.slice/kindred.service\n',
      'sys/fs/cgroup/shop.slice/cpu.max': '200000 100000\n',
      'sys/fs/cgroup/shop.slice/kindred.service/cpu.max': '800000 100000\n',
    };
    expect(system(files)).toBe(2);
  });

  it('is not that of a group of one version whose name the process has in the other', () => {
    const files = {
      'proc/self/cgroup': '1:cpu:/\n0::/shop\n',
      'sys/fs/cgroup/cpu/shop/cpu.cfs_quota_us': '50000\n',
      'sys/fs/cgroup/cpu/shop/cpu.cfs_period_us': '100000\n',
    };
    expect(system(files)).toBe(Infinity);
  });

  it('is Infinity without a limit, and where there are no control groups', () => {
    expect(system({})).toBe(Infinity);
    const files = {
      'proc/self/cgroup': '1:cpu:/\n0::/\n',
      'sys/fs/cgroup/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    };
    expect(system(files)).toBe(Infinity);
  });

  it('leaves whole cores, at least one and no more than there are', () => {
    const all = availableParallelism();
    expect([0.5, 1, 1.9, all, 1_000, Infinity].map(availableCores)).toEqual([1, 1, 1, all, all, all]);
  });

  it('is read of a real control group', async (context) => {
    const group = makeGroup();
    if (!group) {
      context.skip('no control group can be made here: that takes root and a CPU controller of version 1');
      return;
    }
    try {
      const script = `import { cpuQuota } from '${packageRoot('dist/src/cores.js')}'; console.log(cpuQuota());`;
      const inGroup = `echo $$ > ${group}/cgroup.procs && exec "$0" --input-type=module --eval "$1"`;
      const { stdout } = await promisify(execFile)('sh', ['-c', inGroup, process.execPath, script]);
      expect(Number(stdout)).toBe(0.75);
    } finally {
      rmdirSync(group);
    }
  });
});

/** A control group of this machine that has three quarters of a core. */
function makeGroup(): string | undefined {
  const group = `/sys/fs/cgroup/cpu/kindred-test-${String(process.pid)}`;
  try {
    mkdirSync(group);
  } catch {
    return undefined;
  }
  writeFileSync(`${group}/cpu.cfs_period_us`, '100000');
  writeFileSync(`${group}/cpu.cfs_quota_us`, '75000');
  return group;
}
