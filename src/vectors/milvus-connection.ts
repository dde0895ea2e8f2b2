import { readFileSync } from 'node:fs';
import type { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { abortError, throwIfAborted } from '../errors.js';
import { type MilvusStatus, checkStatus, isAway, milvusFault } from './milvus-fault.js';
import { createStoreGuard } from './guard.js';
import type { MilvusConsistency, MilvusOptions, MilvusTls } from './milvus-options.js';
import {
  type Method,
  type MilvusProto,
  type QueryRequest,
  type QueryResults,
  type SearchRequest,
  type SearchResults,
  loadMilvusProto,
} from './milvus-proto.js';

/** ConsistencyLevel of the protocol. */
const CONSISTENCY: Record<MilvusConsistency, number> = { Strong: 0, Session: 1, Bounded: 2, Eventually: 3 };

/**
 * A connection that is found again within a second or so of the server's return (gRPC waits up to 2 minutes by default), and that notices
 * within 15 s that the other side has gone without a word.
 */
const CHANNEL = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.max_receive_message_length': 256 * 1024 * 1024,
  'grpc.max_send_message_length': 256 * 1024 * 1024,
};

/** A search as callers write it. */
export interface MilvusSearch extends Pick<
  SearchRequest,
  'collection_name' | 'dsl' | 'output_fields' | 'search_params'
> {
  /** Vectors `[n][dimension]`, or texts for a search by words. */
  readonly queries: readonly Float32Array[] | readonly string[];
}

/** A query as callers write it. */
export type MilvusQuery = Omit<QueryRequest, 'db_name' | 'consistency_level'>;

export interface ReadOptions {
  /** By default that of the config. */
  readonly consistency?: MilvusConsistency;
  readonly signal?: AbortSignal;
}

/** The way to one Milvus: the SDK for schema, writes and administration, calls of our own for searches and queries. Throws KindredErrors alone. */
export interface MilvusConnection {
  /** Runs `work` with the SDK's client; `what` tells what failed. */
  sdk<T>(what: string, work: (client: MilvusClient) => Promise<T>, timeoutMs?: number): Promise<T>;
  search(request: MilvusSearch, options?: ReadOptions): Promise<SearchResults>;
  query(request: MilvusQuery, options?: ReadOptions): Promise<QueryResults>;
  /** Why no call is made now; undefined while calls are made. */
  away(): string | undefined;
  close(): Promise<void>;
}

/** Makes the connection. Nothing is loaded or connected before the first call: the packages take 0.6 s, and nobody pays who has no Milvus. */
export function createMilvusConnection(options: MilvusOptions): MilvusConnection {
  const { timeoutMs, writeTimeoutMs } = options;
  const guard = createStoreGuard({ ...options, isAway, fault: milvusFault });
  let reading: Promise<Reader> | undefined;
  let writing: Promise<MilvusClient> | undefined;

  /** A client that never connected, or that had no certificates to read, is of no use later either: the next call makes another. */
  const client = (): Promise<MilvusClient> =>
    (writing ??= openClient(options).catch((error: unknown) => {
      writing = undefined;
      throw error;
    }));
  const reader = (): Promise<Reader> =>
    (reading ??= openReader(options).catch((error: unknown) => {
      reading = undefined;
      throw error;
    }));
  const consistency = (reads: ReadOptions): number => CONSISTENCY[reads.consistency ?? options.consistency];

  return {
    sdk: (what, work, limit = writeTimeoutMs) => guard.run(what, limit, async () => work(await client())),
    search: async ({ queries, ...request }, reads = {}) => {
      throwIfAborted(reads.signal);
      return guard.run('a search', timeoutMs, async () => {
        const { proto, call } = await reader();
        const message: SearchRequest = {
          ...request,
          db_name: options.database,
          dsl_type: 1,
          nq: queries.length,
          placeholder_group: proto.placeholders(queries),
          consistency_level: consistency(reads),
        };
        return call(proto.search, message, reads.signal);
      });
    },
    query: async (request, reads = {}) => {
      throwIfAborted(reads.signal);
      return guard.run('a query', timeoutMs, async () => {
        const { proto, call } = await reader();
        const message: QueryRequest = {
          ...request,
          db_name: options.database,
          consistency_level: consistency(reads),
        };
        return call(proto.query, message, reads.signal);
      });
    },
    away: () => guard.away(),
    close: async () => {
      const [read, written] = await Promise.allSettled([reading, writing]);
      if (read.status === 'fulfilled') read.value?.close();
      if (written.status === 'fulfilled') await written.value?.closeConnection().catch(() => undefined);
    },
  };
}

/** Reads by calls of our own: half the CPU time of the SDK's, which turns every request and answer into JSON for a log line nobody sees. */
interface Reader {
  readonly proto: MilvusProto;
  /** One call, over the one HTTP/2 connection of all; checks the status of its answer. */
  readonly call: <Request, Response extends { readonly status?: MilvusStatus }>(
    method: Method<Request, Response>,
    message: Request,
    signal: AbortSignal | undefined,
  ) => Promise<Response>;
  readonly close: () => void;
}

async function openReader({ address, database, timeoutMs, tls, token }: MilvusOptions): Promise<Reader> {
  const { Client, Metadata, credentials } = await import('@grpc/grpc-js');
  const secure = address.startsWith('https://') || isSet(tls);
  const read = (file: string | null): Buffer | null => (file === null ? null : readFileSync(file));
  const channel = new Client(
    address.replace(/^https?:\/\//, ''),
    secure
      ? credentials.createSsl(read(tls.caFile), read(tls.keyFile), read(tls.certFile))
      : credentials.createInsecure(),
    tls.serverName === null
      ? CHANNEL
      : {
          ...CHANNEL,
          'grpc.ssl_target_name_override': tls.serverName,
          'grpc.default_authority': tls.serverName,
        },
  );
  const metadata = new Metadata();
  if (token !== null) metadata.set('authorization', Buffer.from(token, 'utf8').toString('base64'));
  metadata.set('dbname', database);
  return {
    proto: await loadMilvusProto(),
    call: async <Request, Response extends { readonly status?: MilvusStatus }>(
      { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
      message: Request,
      signal: AbortSignal | undefined,
    ) => {
      const response = await new Promise<Response>((resolve, reject) => {
        const settle = (error: Error | null, answer?: Response): void => {
          signal?.removeEventListener('abort', onAbort);
          if (answer !== undefined) resolve(answer);
          else reject(signal?.aborted === true ? abortError(signal) : (error ?? new Error('no answer')));
        };
        const limits = { deadline: Date.now() + timeoutMs };
        const running = channel.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          message,
          metadata,
          limits,
          settle,
        );
        const onAbort = (): void => {
          running.cancel();
        };
        signal?.addEventListener('abort', onAbort, { once: true });
      });
      checkStatus(response.status);
      return response;
    },
    close: () => {
      channel.close();
    },
  };
}

async function openClient({
  address,
  concurrency,
  database,
  tls,
  token,
  writeTimeoutMs,
}: MilvusOptions): Promise<MilvusClient> {
  const { MilvusClient, logger } = await import('@zilliz/milvus2-sdk-node');
  // It would write what is sent and answered to standard output, among the lines of our log.
  logger.silent = true;
  const client = new MilvusClient({
    address,
    database,
    token: token ?? undefined,
    tls: isSet(tls)
      ? {
          rootCertPath: tls.caFile ?? undefined,
          privateKeyPath: tls.keyFile ?? undefined,
          certChainPath: tls.certFile ?? undefined,
          serverName: tls.serverName ?? undefined,
        }
      : undefined,
    timeout: writeTimeoutMs,
    // Each try has the whole time limit anew: the guard's is for all of them.
    maxRetries: 1,
    pool: { min: 1, max: concurrency },
    channelOptions: CHANNEL,
    telemetry: { enabled: false },
  });
  try {
    // Not caught, a server that is away would end the process.
    await client.connectPromise;
    return client;
  } catch (error) {
    await client.closeConnection().catch(() => undefined);
    throw error;
  }
}

/** Whether anything of TLS is configured, which asks for it whatever the address says. */
function isSet(tls: MilvusTls): boolean {
  return Object.values(tls).some((value) => value !== null);
}
