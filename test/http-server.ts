import { connect, type Socket } from 'node:net';
import { buildSchema, type GraphQLSchema } from 'graphql';
import { type Config, loadConfig } from '../src/config.js';
import { abortError, badInput, KindredError } from '../src/errors.js';
import { createApqStore } from '../src/http/apq.js';
import type { Readiness } from '../src/http/health.js';
import type { RequestFacts } from '../src/http/scope.js';
import type { StopSignal } from '../src/stop.js';
import { createLogger } from '../src/log.js';
import type { ModelRegistry } from '../src/models/model-version.js';
import { createOverload } from '../src/overload.js';
import { createServer, type KindredServer, type ServerOptions } from '../src/server.js';
import type { MetricsHandler } from '../src/telemetry-sdk.js';
import { noTelemetry, type Telemetry } from '../src/telemetry.js';

const SDL = /* GraphQL */ `
  directive @internal on FIELD_DEFINITION
  input SecretFilter {
    brandName: String
    and: [SecretFilter!]
    ids: [Int!]
  }
  scalar Positive
  type Hit {
    id: ID!
    title: String
    similar(first: Int! = 10): [Hit!]
  }
  type Query {
    hello: String
    search(query: String!, first: Int! = 10, filter: SecretFilter, weight: Float, at: Positive): [Hit!]
    slow(ms: Int!): String
    stubborn(ms: Int!): String
    kindredFault(code: String!, retryAfterMs: Int): String
    unknownFault: String
    requestId: String
    block(ms: Int!): String
    spanned: String
  }
  type Mutation {
    touch: String
  }
`;

/** What the resolvers of the test schema saw. */
interface Seen {
  searches: number;
  cancelled: string[];
  /** What the field `spanned` does. */
  inResolver?: () => Promise<string>;
}

type Resolve = (args: Record<string, unknown>, context: RequestFacts) => unknown;

const wait = (ms: number, signal?: StopSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      resolve('done');
    }, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(abortError(signal));
    });
  });

function testSchema(seen: Seen): GraphQLSchema {
  const schema = buildSchema(SDL);
  const hits = (count: number): unknown[] =>
    Array.from({ length: count }, (_, i) => ({ id: String(i), title: `hit ${i}` }));
  const query: Record<string, Resolve> = {
    hello: () => 'world',
    search: ({ first }) => {
      seen.searches++;
      return hits(first as number);
    },
    slow: ({ ms }, { signal }) =>
      wait(ms as number, signal).catch((error: unknown) => {
        seen.cancelled.push(error instanceof KindredError ? error.code : 'other');
        throw error;
      }),
    stubborn: ({ ms }) => wait(ms as number),
    kindredFault: ({ code, retryAfterMs }) => {
      throw new KindredError(code as 'OVERLOADED', 'a message for clients', {
        retryAfterMs: retryAfterMs as number | undefined,
        cause: new Error('/etc/secret/path'),
      });
    },
    unknownFault: () => {
      throw new Error('cannot open /etc/secret/path of host db-7');
    },
    requestId: (_args, { requestId }) => requestId,
    spanned: () => seen.inResolver?.(),
    block: ({ ms }) => {
      const end = performance.now() + (ms as number);
      while (performance.now() < end);
      return 'done';
    },
  };
  const fields = { ...schema.getQueryType()?.getFields(), ...schema.getMutationType()?.getFields() };
  for (const [name, resolve] of Object.entries({ ...query, touch: () => 'touched' } as Record<
    string,
    Resolve
  >)) {
    const field = fields[name];
    if (field)
      field.resolve = (_source: unknown, args: Record<string, unknown>, context: unknown) =>
        resolve(args, context as RequestFacts);
  }
  const positive = schema.getType('Positive');
  if (positive && 'parseValue' in positive) {
    positive.parseValue = (value: unknown) => {
      if (typeof value === 'number' && value > 0) return value;
      throw badInput('a positive number is expected', 'NOT_FINITE');
    };
  }
  const similar = (
    schema.getType('Hit') as unknown as { getFields(): Record<string, { resolve?: Resolve }> }
  ).getFields().similar;
  if (similar) similar.resolve = () => hits(2);
  return schema;
}

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly server: KindredServer;
  readonly seen: Seen;
  /** Log lines, parsed. */
  readonly lines: Record<string, unknown>[];
  readonly rawLines: string[];
  readonly apqStore: ReturnType<typeof createApqStore>;
  post(body: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: {
    data?: Record<string, unknown> | null;
    errors?: { message: string; locations?: unknown; path?: unknown; extensions: Record<string, unknown> }[];
  };
}

export interface TestServerOptions {
  settings?: Record<string, string>;
  telemetry?: Telemetry;
  metricsHandler?: MetricsHandler;
  readiness?: () => Readiness;
  /** By default one without any model. */
  registry?: ServerOptions['registry'];
}

/** What the routes ask of a registry, with nothing in it. */
const NO_MODELS: Pick<ModelRegistry, 'resolve' | 'served'> = {
  resolve: () => {
    throw new KindredError('MODEL_VERSION_NOT_FOUND', 'there is no model version');
  },
  served: () => [],
};

export function testConfig(settings: Record<string, string> = {}): Config {
  return loadConfig({
    env: {},
    flags: {
      'server.port': '0',
      'server.host': '127.0.0.1',
      'server.drainMs': '0',
      'log.pretty': 'false',
      ...settings,
    },
  });
}

/** A listening server over a small schema, torn down by `server.close()`. */
export async function startTestServer({
  settings = {},
  telemetry = noTelemetry(),
  metricsHandler,
  readiness = () => ({ ready: true, components: [{ name: 'store', ready: true }] }),
  registry = NO_MODELS,
}: TestServerOptions = {}): Promise<TestServer> {
  const config = testConfig(settings);
  const rawLines: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const log = createLogger(config.log, {
    write(line) {
      rawLines.push(line);
      lines.push(JSON.parse(line) as Record<string, unknown>);
    },
  });
  const seen: Seen = { searches: 0, cancelled: [] };
  const apqStore = createApqStore(config.apq);
  const server = await createServer({
    schema: testSchema(seen),
    makeContext: (request) => request,
    registry,
    config,
    telemetry,
    readiness,
    apqStore,
    log,
    overload: createOverload(),
    metricsHandler,
  });
  const { url } = await server.listen();
  return {
    url,
    port: Number(new URL(url).port),
    server,
    seen,
    lines,
    rawLines,
    apqStore,
    post: (body, headers = {}) =>
      send(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}

/** A request whose answer is read as JSON where it is some. */
export async function send(url: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  let body: Answer['body'] = {};
  try {
    body = JSON.parse(text) as Answer['body'];
  } catch {
    // A page or plain text.
  }
  return { status: response.status, headers: response.headers, text, body };
}

/** Writes `bytes` to a socket and collects all that comes until the server closes it, or until `until` has come. */
export async function rawRequest(port: number, bytes: string | Buffer, until?: RegExp): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (until?.test(answer)) finish();
    });
    socket.on('close', finish);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') finish();
      else reject(error);
    });
    socket.write(bytes);
  });
}

/** An open socket to the server. */
export async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

/** Waits until `condition` holds; the test's own time-out is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
