import { type Daemon, startDaemon } from './daemon.js';

/** A real Memcached. */
export interface Memcached extends Daemon {
  readonly url: string;
}

/** Starts memcached, with further `settings` such as `'-m', '64'`. */
export async function startMemcached(...settings: string[]): Promise<Memcached> {
  const daemon = await startDaemon('memcached', (port) => [
    ...['-p', String(port), '-U', '0', '-l', '127.0.0.1', ...settings],
    // It refuses to run as root without a user's name.
    ...(process.getuid?.() === 0 ? ['-u', 'root'] : []),
  ]);
  return { ...daemon, url: `memcached://127.0.0.1:${String(daemon.port)}` };
}
