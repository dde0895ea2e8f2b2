import type { Remote } from '../../models/remote.js';
import { createStop, nativeSignal } from '../../stop.js';
import type { BatchResult, BatchRunner } from '../runner.js';
import type { RemoteClient } from './client.js';
import type { Places } from './places.js';

/** Batches of one model at a server: a place is a request under way. */
export function createRemoteRunner(
  { manifest }: Remote,
  client: Pick<RemoteClient, 'embed' | 'fault' | 'unavailable'>,
  places: Places,
): BatchRunner {
  const { texts: limit } = manifest.limits;

  /** A bulk batch may hold more texts than the server takes at once. */
  async function run(texts: readonly string[], signal: AbortSignal): Promise<BatchResult> {
    const parts: Awaited<ReturnType<RemoteClient['embed']>>[] = [];
    for (let at = 0; at < texts.length; at += limit)
      parts.push(await client.embed(texts.slice(at, at + limit), signal));
    return {
      outcomes: parts.flatMap(({ outcomes }) => outcomes),
      sessions: parts.flatMap(({ sessions }) => sessions),
      tokenizeMs: 0,
    };
  }

  return {
    // One model has its server to itself, so `urgent` decides nothing here.
    acquire: async () => {
      if (client.fault() !== undefined) throw client.unavailable();
      const release = await places.acquire();
      return {
        run: (texts, signal = createStop().signal) => run(texts, nativeSignal(signal)).finally(release),
        release,
      };
    },
    fault: () => client.fault(),
  };
}
