import { createClient } from '@keyv/redis';
import { type Daemon, startDaemon } from './daemon.js';

/** A real Redis that keeps nothing on disk. */
export interface Redis extends Daemon {
  readonly url: string;
  /** Runs one command on a connection of its own. */
  command(...words: string[]): Promise<unknown>;
}

/** Starts redis-server, with further `settings` such as `'--maxmemory', '3mb'`. */
export async function startRedis(...settings: string[]): Promise<Redis> {
  const daemon = await startDaemon('redis-server', (port, folder) => [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'],
    ...settings,
  ]);
  const url = `redis://127.0.0.1:${String(daemon.port)}`;
  return {
    ...daemon,
    url,
    command: async (...words) => {
      const client = createClient({ url, socket: { reconnectStrategy: false } });
      client.on('error', () => undefined);
      await client.connect();
      try {
        return await client.sendCommand(words);
      } finally {
        client.destroy();
      }
    },
  };
}
