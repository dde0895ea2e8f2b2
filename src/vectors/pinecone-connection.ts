import type { Index } from '@pinecone-database/pinecone';
import { KindredError } from '../errors.js';
import { createStoreGuard } from './guard.js';
import { optionalPackage } from './optional-package.js';
import { isAway, pineconeFault } from './pinecone-fault.js';

export interface PineconeOptions {
  readonly apiKey: string | null;
  /** Hosts of the indexes, one for each dimension. */
  readonly hosts: readonly string[];
  /** Time that a read may take, in ms. */
  readonly timeoutMs: number;
  /** Time that a write may take, in ms. */
  readonly writeTimeoutMs: number;
  /** Calls under way at most; more wait. */
  readonly concurrency: number;
  /** Told once when Pinecone counts as away, and once when it answers again. */
  readonly onAway?: (reason: string) => void;
  readonly onBack?: () => void;
}

/** The way to the indexes of one project, by the official SDK. Throws KindredErrors alone. */
export interface PineconeConnection {
  /** Runs `work` with an index; `what` tells what failed. */
  read<T>(what: string, host: string, work: (index: Index) => Promise<T>): Promise<T>;
  write<T>(what: string, host: string, work: (index: Index) => Promise<T>): Promise<T>;
  /** Hosts of the indexes. Throws UPSTREAM_UNAVAILABLE where the config names none, or no key. */
  hosts(): readonly string[];
  /** Why no call is made now; undefined while calls are made. */
  away(): string | undefined;
}

/** Tries again that the SDK makes of a call that met a fault of the server. */
const RETRIES = 2;

/** Makes the connection. Nothing is loaded or connected before the first call. */
export function createPineconeConnection(options: PineconeOptions): PineconeConnection {
  const guard = createStoreGuard({ ...options, isAway, fault: pineconeFault });
  let loading: Promise<(host: string) => Index> | undefined;

  const indexes = (): Promise<(host: string) => Index> =>
    (loading ??= openIndexes(options).catch((error: unknown) => {
      loading = undefined;
      throw error;
    }));

  const run = async <T>(
    what: string,
    timeoutMs: number,
    host: string,
    work: (index: Index) => Promise<T>,
  ): Promise<T> => {
    const open = await indexes();
    return guard.run(what, timeoutMs, () => work(open(host)));
  };
  return {
    read: (what, host, work) => run(what, options.timeoutMs, host, work),
    write: (what, host, work) => run(what, options.writeTimeoutMs, host, work),
    hosts: () => {
      checkConfigured(options);
      return options.hosts;
    },
    away: () => guard.away(),
  };
}

/** Narrows `apiKey` to what it has to be. */
function checkConfigured(
  options: PineconeOptions,
): asserts options is PineconeOptions & { readonly apiKey: string } {
  if (options.apiKey === null || options.hosts.length === 0)
    throw new KindredError(
      'UPSTREAM_UNAVAILABLE',
      'the vector store pinecone needs store.pinecone.apiKey and store.pinecone.hosts',
    );
}

async function openIndexes(options: PineconeOptions): Promise<(host: string) => Index> {
  checkConfigured(options);
  const { apiKey, hosts, writeTimeoutMs } = options;
  const { Pinecone } = await optionalPackage(
    '@pinecone-database/pinecone',
    'store.adapter pinecone',
    () => import('@pinecone-database/pinecone'),
  );
  const client = new Pinecone({
    apiKey,
    maxRetries: RETRIES,
    sourceTag: 'kindred',
    // The SDK has no time limit; without one, a try that nobody waits for any more holds its connection.
    fetchApi: (url, init) => fetch(url, { ...init, signal: AbortSignal.timeout(writeTimeoutMs) }),
  });
  const opened = new Map(hosts.map((host) => [host, client.index({ host })]));
  return (host) => opened.get(host) ?? client.index({ host });
}
