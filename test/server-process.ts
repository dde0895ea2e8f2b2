import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { packageRoot } from '../src/package-root.js';

const CLI = packageRoot('dist/src/cli/index.js');

/** CPU seconds that process `pid` has used, threads included. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  // utime and stime in clock ticks; Linux reports them at 100 a second to user space on every architecture Node runs on.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Memory that process `pid` has in use, in MB. */
export function residentMB(pid: number): number {
  // Linux writes kB where it means KiB.
  const [, kibibytes = 'NaN'] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return (Number(kibibytes) * 1_024) / 1e6;
}

/** Whether process `pid` has ended. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Starts the built gateway as a process of its own and waits until it listens. */
export async function startServer(
  flags: Record<string, string>,
  env: Record<string, string> = {},
): Promise<RunningServer> {
  const args = [
    // As `npm start` and the shebang of the CLI have it.
    '--v8-pool-size=1',
    '--max-semi-space-size=32',
    CLI,
    'serve',
    ...Object.entries(flags).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, KINDRED_SERVER_PORT: '0', KINDRED_LOG_PRETTY: 'false', ...env },
  });
  const url = await listeningUrl(child);
  return {
    url,
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function listeningUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the server has no standard output');
  for await (const line of createInterface({ input: child.stdout })) {
    const { url } = JSON.parse(line) as { url?: string };
    if (url !== undefined) {
      child.stdout.resume();
      return url;
    }
  }
  throw new Error('the server ended before it listened');
}

/** Runs the CLI to its end and answers its wall and CPU seconds. */
export async function runCli(args: readonly string[]): Promise<{ wall: number; cpu: number; code: number }> {
  const started = performance.now();
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  let cpu = 0;
  // Node does not tell the CPU time of a child: sample it until it has gone (at most 50 ms are missed).
  const timer = setInterval(() => {
    try {
      if (child.pid !== undefined) cpu = cpuSeconds(child.pid);
    } catch {
      clearInterval(timer);
    }
  }, 50);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(timer);
  return { wall: (performance.now() - started) / 1000, cpu, code: code ?? 1 };
}
