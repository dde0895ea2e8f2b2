import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';

/** A real server of another program, for a test. */
export interface Daemon {
  readonly port: number;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again at the same port, empty. */
  restart(): Promise<void>;
  /** SIGSTOP: it keeps its connections and answers nothing. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  close(): Promise<void>;
}

/** Why a test that needs the program `name` is skipped; undefined when it can run. In CI a missing program is an error. */
export function skipWithout(name: string): string | undefined {
  const there = (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (there) return undefined;
  const reason = `it needs the program ${name} (Debian: apt-get install ${name})`;
  if (process.env.CI === 'true') throw new Error(reason);
  return reason;
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return address.port;
}

/** Starts `name`, a program or the path of one, with what `settings` answers for a port and a temporary folder; resolves when it accepts connections. */
export async function startDaemon(
  name: string,
  settings: (port: number, folder: string) => string[],
): Promise<Daemon> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), `kindred-${basename(name)}-`));
  let child = await start();

  async function start(): Promise<ChildProcess> {
    const started = spawn(name, settings(port, folder), { cwd: folder, stdio: 'ignore' });
    for (let attempt = 0; attempt < 3_000; attempt++) {
      if (started.exitCode !== null) throw new Error(`${name} ended with ${String(started.exitCode)}`);
      if (await accepts(port)) return started;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${name} does not accept connections`);
  }
  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  return {
    port,
    kill,
    restart: async () => {
      await kill();
      child = await start();
    },
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    close: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Whether something listens on `port`. */
export async function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
