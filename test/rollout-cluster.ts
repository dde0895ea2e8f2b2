import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../src/package-root.js';
import { type Redis, startRedis } from './redis.js';
import { type RunningServer, startServer } from './server-process.js';

const ADMIN_TOKEN = 'the-token-of-these-tests';
const QUERIES = [
  'something to keep soup hot at work',
  'warm jacket for the mountains',
  'gift for a cyclist',
  'a quiet keyboard',
  'toys for the bath',
  'light for reading in bed',
];

/** What a GraphQL request came to. */
export interface Reply {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: { readonly message: string; readonly extensions: Record<string, unknown> }[];
}

/** Two gateways over one data folder and one Redis: v1 is stable; v2 and what else lies in `models` is not known to them yet. */
export interface Cluster {
  readonly servers: RunningServer[];
  readonly redis: Redis;
  readonly models: string;
  /** Settings of all its processes. */
  readonly flags: Record<string, string>;
  readonly ask: (server: RunningServer, query: string, headers?: Record<string, string>) => Promise<Reply>;
  /** Asks as the admin; throws what is refused. */
  admin(query: string, server?: RunningServer): Promise<Record<string, unknown>>;
  /** Kills a gateway by SIGKILL and starts another in its place. */
  restart(index: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts the cluster; `more` are further settings. */
export async function startCluster(more: Record<string, string> = {}): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-cluster-'));
  const models = join(folder, 'models');
  for (const id of ['v1', 'v2'])
    cpSync(packageRoot(`deploy/models/${id}`), join(models, id), { recursive: true });
  const redis = await startRedis();
  const flags = {
    data: join(folder, 'data'),
    'models.folder': models,
    'models.versions': 'v1',
    'models.stable': 'v1',
    'cache.url': redis.url,
    'rollout.pollMs': '200',
    'embedding.threads': '1',
    ...more,
  };
  const env = { KINDRED_ADMIN_TOKEN: ADMIN_TOKEN };
  // One after the other: the first imports the sample.
  const servers = [await startServer(flags, env)];
  servers.push(await startServer(flags, env));

  const ask: Cluster['ask'] = async ({ url }, query, headers = {}) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query }),
    });
    return (await response.json()) as Reply;
  };
  return {
    servers,
    redis,
    models,
    flags,
    ask,
    admin: async (query, server = servers[0]) => {
      if (server === undefined) throw new Error('there is no server');
      const { data, errors } = await ask(server, query, { authorization: `Bearer ${ADMIN_TOKEN}` });
      if (errors !== undefined || !data) throw new Error(errors?.[0]?.message ?? 'no answer');
      return data;
    },
    restart: async (index) => {
      await servers[index]?.kill();
      servers[index] = await startServer(flags, env);
    },
    close: async () => {
      await Promise.all(servers.map((server) => server.stop()));
      await redis.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One answered request of the load. */
export interface Answer {
  /** When it was sent and answered, in ms of `performance.now()`. */
  readonly sent: number;
  readonly at: number;
  readonly user: number;
  /** The version that answered; undefined when it failed. */
  readonly version?: string;
  readonly error?: string;
}

/** Users that search all the time, each with an id, at either server in turn. */
export interface Load {
  readonly answers: Answer[];
  /** Waits until so many more have been answered. */
  more(count: number): Promise<Answer[]>;
  stop(): Promise<void>;
}

/** Starts `users` users, each with a pause of `pauseMs` between its searches. */
export function startLoad({ servers, ask }: Cluster, users: number, pauseMs: number): Load {
  const answers: Answer[] = [];
  let stopped = false;
  let turns = 0;
  const one = async (server: RunningServer, user: number, turn: number): Promise<Answer> => {
    const sent = performance.now();
    // Some are asked for the first time, which no cache answers.
    const query =
      turn % 3 === 0 ? `${QUERIES[turn % QUERIES.length]} ${String(turn)}` : QUERIES[turn % QUERIES.length];
    try {
      const { data, errors } = await ask(
        server,
        `{ search(query: ${JSON.stringify(query)}, first: 10) { nodes { id title } modelVersion { id } } }`,
        { 'x-kindred-user-id': `user-${String(user)}` },
      );
      const search = data?.search as { modelVersion: { id: string }; nodes: { title: string }[] } | null;
      const at = performance.now();
      if (errors !== undefined || !search)
        return { sent, at, user, error: errors?.[0]?.message ?? 'no answer' };
      if (search.nodes.length !== 10) return { sent, at, user, error: `${String(search.nodes.length)} hits` };
      return { sent, at, user, version: search.modelVersion.id };
    } catch (error) {
      return { sent, at: performance.now(), user, error: String(error) };
    }
  };
  const running = Array.from({ length: users }, async (_, user) => {
    while (!stopped) {
      turns += 1;
      const server = servers[turns % servers.length];
      if (server !== undefined) answers.push(await one(server, user, turns));
      await sleep(pauseMs);
    }
  });
  return {
    answers,
    more: async (count) => {
      const from = answers.length;
      while (answers.length < from + count) await sleep(10);
      return answers.slice(from);
    },
    stop: async () => {
      stopped = true;
      await Promise.all(running);
    },
  };
}
