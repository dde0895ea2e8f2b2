import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObservableResult } from '@opentelemetry/api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import type Keyv from 'keyv';
import type { Logger } from 'pino';
import type { Config } from './config.js';
import { KindredError } from './errors.js';
import { createAdminCheck } from './http/admin.js';
import { type AdmissionOptions, createAdmission } from './http/admission.js';
import { createApp } from './http/app.js';
import { addBrowserRoutes } from './http/browser.js';
import { createClaimReader } from './http/claims.js';
import { watchEventLoop } from './http/event-loop.js';
import type { ServingModels } from './http/embeddings.js';
import { addGraphQLRoute } from './http/graphql-route.js';
import { createApollo } from './http/graphql.js';
import { addHealthRoutes, type Readiness } from './http/health.js';
import { createObserver } from './http/observe.js';
import { createErrorEdge } from './http/public-error.js';
import { addRestRoutes } from './http/rest.js';
import type { RequestFacts, Scopes } from './http/scope.js';
import { readSubject } from './http/subject.js';
import { createHolding } from './http/holding.js';
import { shedBefore } from './http/shed.js';
import { createShedding } from './http/shedding.js';
import type { Overload } from './overload.js';
import type { TrafficSubject } from './rollout/traffic.js';
import type { MetricsHandler } from './telemetry-sdk.js';
import type { Telemetry } from './telemetry.js';

export interface ServerOptions {
  readonly schema: GraphQLSchema;
  /** Makes the context of one request's resolvers. */
  readonly makeContext: (request: RequestFacts) => object;
  /** The models behind the REST routes. */
  readonly registry: ServingModels;
  readonly config: Config;
  readonly telemetry: Telemetry;
  /** Whether the parts below can answer. */
  readonly readiness: () => Readiness;
  /** Where automatic persisted queries are kept, see createApqStore. */
  readonly apqStore: Keyv<string>;
  readonly log: Logger;
  /** Told what becomes of requests. */
  readonly overload: Overload;
  /** Undefined: no `/metrics`. */
  readonly metricsHandler: MetricsHandler | undefined;
}

/** The HTTP server. */
export interface KindredServer {
  /** Starts to listen. Throws an Error of one line when the address can't be had. */
  listen(): Promise<{ url: string }>;
  /**
   * Stops without failing a request: unready for `drainMs`, then no new connections, then up to `shutdownGraceMs` for what is in
   * flight; the rest is cut off. Later calls wait for the first.
   */
  close(): Promise<void>;
  /** GraphQL and REST requests being answered. */
  readonly inFlight: number;
}

/** Makes the HTTP server of a schema, with all limits before execution. */
export async function createServer(options: ServerOptions): Promise<KindredServer> {
  const { config, telemetry, log } = options;
  const scopes: Scopes = new WeakMap();
  const errors = createErrorEdge({ production: config.production, telemetry });
  const apollo = createApollo({ ...options, errors, scopes });
  await apollo.start();
  const loop = watchEventLoop(telemetry);
  let draining = false;
  const ending = (): boolean => draining;
  const shedding = createShedding({
    above: config.server.shedAbove,
    overload: options.overload,
    onShed: shedReport(options),
  });
  const holding = createHolding({
    ms: config.server.holdRefusalsMs,
    // Those that are held back have their place still: there have to be others left.
    most: Math.floor(config.server.maxInFlight / 2),
    overload: options.overload,
  });

  const readiness = (): Readiness => {
    const { ready, components } = options.readiness();
    const own = [
      { name: 'event loop', ready: !loop.blocked },
      { name: 'server', ready: !draining },
    ];
    return { ready: ready && own.every((each) => each.ready), components: [...components, ...own] };
  };
  const http = createApp({
    config: config.server,
    errors,
    log,
    observe: createObserver({ telemetry, log }),
    closing: ending,
    holding,
    before: (handler) => shedBefore(handler, { shedding, holding, errors, closing: ending }),
  });
  addHealthRoutes(http.app, { readiness, metricsHandler: options.metricsHandler });
  const browser = config.production ? undefined : addBrowserRoutes(http.app);
  const { makeContext, registry } = options;
  const admission = createAdmission({
    config: config.server,
    observation: http.observation,
    identify: identifier(http.app, config, log),
    onAnswered: options.overload.answered,
  });
  addGraphQLRoute(http, { apollo, admission, makeContext, errors, scopes, browser });
  addRestRoutes(http.app, { admission, registry, limits: config.limits });

  const observeInFlight = (result: ObservableResult): void => {
    result.observe(admission.inFlight);
  };
  telemetry.metrics.inFlight.addCallback(observeInFlight);

  const shutDown = async (): Promise<void> => {
    draining = true;
    await sleep(config.server.drainMs);
    const closed = http.app.close();
    const grace = setTimeout(() => {
      log.warn({ inFlight: admission.inFlight }, 'requests in flight are cut off: shutdownGraceMs is over');
      admission.abortAll(new KindredError('UPSTREAM_UNAVAILABLE', 'The server is stopping.'));
      setTimeout(() => {
        for (const server of http.servers) server.closeAllConnections();
      }, LAST_WORDS_MS);
    }, config.server.shutdownGraceMs);
    await closed;
    clearTimeout(grace);
    await apollo.stop();
    loop.stop();
    shedding.stop();
    telemetry.metrics.inFlight.removeCallback(observeInFlight);
  };
  let closing: Promise<void> | undefined;

  return {
    listen: () => listen(http.app, config.server),
    close: () => (closing ??= shutDown()),
    get inFlight() {
      return admission.inFlight;
    },
  };
}

/** What a request says about who sent it: its headers, and before them a token that is valid. */
function identifier(
  app: FastifyInstance,
  { admin, rollout }: Config,
  log: Logger,
): AdmissionOptions['identify'] {
  const check = createAdminCheck(admin.token);
  const claimed = new WeakMap<FastifyRequest, TrafficSubject>();
  const { jwks } = rollout.claims;
  if (jwks !== null) {
    const reader = createClaimReader({ settings: { ...rollout.claims, jwks }, log });
    app.addHook('onRequest', async (request) => {
      claimed.set(request, await reader.read(request.headers.authorization));
    });
  }
  return (request) => ({
    subject: { ...readSubject(request.headers, rollout), ...claimed.get(request) },
    admin: check(request.headers.authorization),
  });
}

/** How often shed requests are logged, in ms. */
const SHED_LOG_MS = 1_000;

/** Counts shed requests, and tells of them in one line a second. */
function shedReport({ telemetry, log }: ServerOptions): (shed: number, offered: number) => void {
  let next = 0;
  return (shed, offered) => {
    telemetry.metrics.shed.add(shed);
    if (performance.now() < next) return;
    next = performance.now() + SHED_LOG_MS;
    log.warn({ shed, offered }, 'requests are shed: the main thread has no time to read them all');
  };
}

/** Time that requests cut off at shutdown get to tell their clients, in ms. */
const LAST_WORDS_MS = 500;

const LISTEN_FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is taken: choose another with PORT or server.port',
  EACCES: 'may not be used by this user: choose one above 1023 with PORT or server.port',
  EADDRNOTAVAIL: 'is no address of this machine: see server.host',
  ENOTFOUND: 'is no known address: see server.host',
  EMFILE: 'can not be had: too many open files (ulimit -n)',
};

async function listen(app: FastifyInstance, { host, port }: Config['server']): Promise<{ url: string }> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new Error(`${host}:${port} ${LISTEN_FAULTS[code] ?? message}`, { cause: error });
  }
  const { port: taken } = app.server.address() as AddressInfo;
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return { url: `http://${name.includes(':') ? `[${name}]` : name}:${taken}` };
}
