import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../src/config.js';
import { packageRoot } from '../src/package-root.js';
import type { MilvusOptions } from '../src/vectors/milvus-options.js';
import { freePort } from './daemon.js';
import { pythonForTests } from './python.js';

/** A start takes 3 to 5 s, 20 more where the binaries have to be unpacked; a busy machine takes a few times as long. */
const START_MS = 180_000;

/** Why tests on the real Milvus are skipped; undefined when they can run. */
export const skipMilvus = (): string | undefined => pythonForTests('milvus').skip;

/** A real Milvus 2.3.5 standalone, with all its parts in one process. */
export interface Milvus {
  /** `host:port` of its gRPC. */
  readonly address: string;
  readonly port: number;
  readonly pid: number;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again at the same ports with the same data; resolves when it is healthy. */
  restart(): Promise<void>;
  /** SIGSTOP: it keeps its connections and answers nothing. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Kills it and removes its data. */
  close(): Promise<void>;
}

export interface MilvusServerOptions {
  /** Keys of milvus.yaml, e.g. `common.security.authorizationEnabled`. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
}

/** Options of a store on `milvus`, by the defaults of the config but that it sees every write at once. */
export function milvusOptions(
  { address }: Pick<Milvus, 'address'>,
  over: Partial<MilvusOptions> = {},
): MilvusOptions {
  const { milvus, textLanguage } = loadConfig({ env: {} }).store;
  return { ...milvus, textLanguage, address, consistency: 'Strong', timeoutMs: 20_000, ...over };
}

/** Ports of the parts, as the package's template names them. */
const PORTS = [
  'root_coord_port',
  'proxy_internal_port',
  'query_coord_port',
  'query_node_port',
  'index_coord_port',
  'index_node_port',
  'data_coord_port',
  'data_node_port',
] as const;

/** Starts Milvus in a temporary folder; resolves when it is healthy. It ends with this process at the latest. */
export async function startMilvus({ settings = {} }: MilvusServerOptions = {}): Promise<Milvus> {
  const { python } = pythonForTests('milvus');
  const folder = mkdtempSync(join(tmpdir(), 'kindred-milvus-'));
  const [port, metricsPort, ...others] = await freePorts(PORTS.length + 4);
  const options = {
    ports: { proxy_port: port, ...Object.fromEntries(PORTS.map((name, at) => [name, others[at + 2]])) },
    metricsPort,
    etcd: others.slice(0, 2),
    // A write is seen after two ticks of 200 ms by default, which tests would wait for all the time.
    // A server that was killed is waited for as long as its leases last, 30 s by default; one that is frozen for longer ends itself.
    settings: { 'proxy.timeTickInterval': 20, 'common.session.ttl': 10, ...settings },
  };
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    const log = openSync(join(folder, 'log'), 'a');
    child = spawn(python, [packageRoot('test/python/milvus_server.py'), folder, JSON.stringify(options)], {
      stdio: ['ignore', log, log],
    });
    await healthy(child, metricsPort ?? 0, folder);
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  const endWithUs = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', endWithUs);
  await start();
  return {
    address: `127.0.0.1:${String(port)}`,
    port: port ?? 0,
    get pid() {
      return child.pid ?? 0;
    },
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    close: async () => {
      process.off('exit', endWithUs);
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Different ports that nobody listens on. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

async function healthy(child: ChildProcess, port: number, folder: string): Promise<void> {
  const until = performance.now() + START_MS;
  while (performance.now() < until) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    const answer = await fetch(`http://127.0.0.1:${String(port)}/healthz`)
      .then((response) => response.text())
      .catch(() => '');
    if (answer === 'OK') return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const log = readFileSync(join(folder, 'log'), 'utf8').slice(-2_000);
  throw new Error(`expected Milvus to be healthy, but it is not:\n${log}`);
}
