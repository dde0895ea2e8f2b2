import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../src/package-root.js';

/** Another project's server in a process of its own. */
export interface Peer {
  readonly url: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

const CODE = packageRoot('test/python');

/** Starts MLServer with test/python/mlserver_model.py as `bag`, version 1. */
export async function startMlServer(python: string): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-mlserver-'));
  const [http = 0, grpc = 0, metrics = 0] = await freePorts(3);
  const settings = { host: '127.0.0.1', http_port: http, grpc_port: grpc, metrics_port: metrics };
  await writeFile(join(folder, 'settings.json'), JSON.stringify({ ...settings, parallel_workers: 0 }));
  const model = { name: 'bag', implementation: 'mlserver_model.Bag', parameters: { version: '1' } };
  await writeFile(join(folder, 'model-settings.json'), JSON.stringify(model));
  const command = join(dirname(python), 'mlserver');
  return startPeer(command, ['start', folder], http, () => rm(folder, { recursive: true }));
}

/** Starts KServe's Python server with test/python/kserve_server.py as `bag`. */
export async function startKServe(python: string): Promise<Peer> {
  const [port = 0] = await freePorts(1);
  return startPeer(python, [join(CODE, 'kserve_server.py'), String(port)], port, () => Promise.resolve());
}

async function startPeer(
  command: string,
  args: string[],
  port: number,
  clean: () => Promise<void>,
): Promise<Peer> {
  const env = { ...process.env, PYTHONPATH: CODE, PYTHONDONTWRITEBYTECODE: '1' };
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4_000)));
  const url = `http://127.0.0.1:${String(port)}`;
  const ended = once(child, 'exit');
  while (!(await answers(`${url}/v2/models/bag/ready`))) {
    if (child.exitCode !== null) throw new Error(`${command} ended before it was ready: ${log}`);
    await sleep(100);
  }
  return {
    url,
    process: child,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
      await clean();
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
