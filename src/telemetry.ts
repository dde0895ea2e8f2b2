import {
  type Attributes,
  type Context,
  type Counter,
  type Histogram,
  type Link,
  type Meter,
  type ObservableGauge,
  type Span,
  type Tracer,
  type UpDownCounter,
  type SpanKind,
  SpanStatusCode,
  context,
  createNoopMeter,
  trace,
} from '@opentelemetry/api';
import { KindredError } from './errors.js';

/** Names of every span that Kindred makes, one a hop. */
export const SPAN = {
  http: 'http.request',
  graphql: 'graphql.execute',
  graphqlParse: 'graphql.parse',
  graphqlValidate: 'graphql.validate',
  loader: 'loader.batch',
  cache: 'cache.get',
  queue: 'embedding.queue',
  /** Shared by requests: a root span with a link to each request in it. */
  batch: 'embedding.batch',
  session: 'embedding.session.run',
  imageFetch: 'embedding.image.fetch',
  vectorSearch: 'vectors.search',
  vectorFetch: 'vectors.fetch',
  import: 'catalogue.import',
} as const;

/** Names and units of every metric, as OpenTelemetry has them; Prometheus shows them with `_` for `.` and the unit as suffix. */
const METRIC = {
  requests: ['kindred.requests', '{request}', 'HTTP requests by route and status class'],
  errors: ['kindred.errors', '{error}', 'Errors answered, by code'],
  requestDuration: ['kindred.request.duration', 's', 'Time from request line to last byte of the answer'],
  inFlight: ['kindred.requests.in_flight', '{request}', 'Requests being answered'],
  shed: [
    'kindred.requests.shed',
    '{request}',
    'Requests refused before anything of them was read; they count in no other metric',
  ],
  cacheLookups: [
    'kindred.cache.lookups',
    '{lookup}',
    'Embedding cache lookups, by tier and outcome hit, miss, coalesced or error',
  ],
  cacheWrites: [
    'kindred.cache.writes',
    '{write}',
    'Embeddings for the second cache tier, by outcome written, dropped or error',
  ],
  batchTexts: ['kindred.embedding.batch.texts', '{text}', 'Texts in a batch'],
  batchTokens: ['kindred.embedding.batch.tokens', '{token}', 'Tokens in a batch, padding included'],
  batchDuration: ['kindred.embedding.batch.duration', 's', 'Time of a batch in its worker'],
  queueTexts: ['kindred.embedding.queue.texts', '{text}', 'Texts waiting for a worker'],
  queueWait: ['kindred.embedding.queue.wait', 's', 'Time that a text waited for its worker'],
  workerRestarts: [
    'kindred.embedding.worker.restarts',
    '{restart}',
    'Workers replaced after a crash or hang',
  ],
  remoteRequests: ['kindred.embedding.remote.requests', '{request}', 'Requests to remote models, by outcome'],
  remoteRetries: ['kindred.embedding.remote.retries', '{retry}', 'Requests to remote models sent again'],
  remoteBreaker: [
    'kindred.embedding.remote.breaker.open',
    '{breaker}',
    'Whether requests to a remote model are held back, as its server fails',
  ],
  vectorSearchDuration: ['kindred.vectors.search.duration', 's', 'Time of a search call in the vector store'],
  vectorSearchQueries: ['kindred.vectors.search.queries', '{query}', 'Queries merged into a search call'],
  guardrailBreaches: [
    'kindred.rollout.guardrail.breaches',
    '{breach}',
    'Versions on trial that lost their traffic since they did worse than the stable one',
  ],
  shadowOverlap: [
    'kindred.rollout.shadow.overlap',
    '1',
    'Share of the first hits that the version on trial has in common with the stable one, by search',
  ],
  shadowScoreShift: [
    'kindred.rollout.shadow.score_shift',
    '1',
    'Score of the first hit of the version on trial less that of the stable one, by search',
  ],
  shadowDuration: ['kindred.rollout.shadow.duration', 's', 'Time of a compared search, by version'],
  shadowDropped: [
    'kindred.rollout.shadow.dropped',
    '{search}',
    'Searches that were not compared, since requests went first',
  ],
  shadowFailed: ['kindred.rollout.shadow.failed', '{search}', 'Searches that failed when they were compared'],
  eventLoopDelay: [
    'kindred.event_loop.delay.p99',
    's',
    '99th percentile delay of the main event loop since the last scrape',
  ],
} as const;

/** The instruments behind METRIC. */
export interface Metrics {
  readonly requests: Counter;
  readonly errors: Counter;
  readonly requestDuration: Histogram;
  readonly inFlight: ObservableGauge;
  readonly shed: Counter;
  readonly cacheLookups: Counter;
  readonly cacheWrites: Counter;
  readonly batchTexts: Histogram;
  readonly batchTokens: Histogram;
  readonly batchDuration: Histogram;
  readonly queueTexts: ObservableGauge;
  readonly queueWait: Histogram;
  readonly workerRestarts: Counter;
  readonly remoteRequests: Counter;
  readonly remoteRetries: Counter;
  readonly remoteBreaker: UpDownCounter;
  readonly vectorSearchDuration: Histogram;
  readonly vectorSearchQueries: Histogram;
  readonly guardrailBreaches: Counter;
  readonly shadowOverlap: Histogram;
  readonly shadowScoreShift: Histogram;
  readonly shadowDuration: Histogram;
  readonly shadowDropped: Counter;
  readonly shadowFailed: Counter;
  readonly eventLoopDelay: ObservableGauge;
}

/** What every hop gets handed to be visible: a tracer and the instruments. */
export interface Telemetry {
  readonly tracer: Tracer;
  readonly metrics: Metrics;
}

const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];

const SHARES = [-1, -0.5, -0.2, -0.1, -0.05, 0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** Where the classes of a histogram end, by its unit; counts where it is none of these. */
const BOUNDARIES: Readonly<Record<string, number[]>> = { s: SECONDS, '1': SHARES };

/** Makes the instruments of `meter`. */
export function createMetrics(meter: Meter): Metrics {
  const counter = ([name, unit, description]: readonly [string, string, string]): Counter =>
    meter.createCounter(name, { unit, description });
  const upDownCounter = ([name, unit, description]: readonly [string, string, string]): UpDownCounter =>
    meter.createUpDownCounter(name, { unit, description });
  const gauge = ([name, unit, description]: readonly [string, string, string]): ObservableGauge =>
    meter.createObservableGauge(name, { unit, description });
  const histogram = ([name, unit, description]: readonly [string, string, string]): Histogram =>
    meter.createHistogram(name, {
      unit,
      description,
      advice: { explicitBucketBoundaries: BOUNDARIES[unit] ?? SIZES },
    });
  return {
    requests: counter(METRIC.requests),
    errors: counter(METRIC.errors),
    requestDuration: histogram(METRIC.requestDuration),
    inFlight: gauge(METRIC.inFlight),
    shed: counter(METRIC.shed),
    cacheLookups: counter(METRIC.cacheLookups),
    cacheWrites: counter(METRIC.cacheWrites),
    batchTexts: histogram(METRIC.batchTexts),
    batchTokens: histogram(METRIC.batchTokens),
    batchDuration: histogram(METRIC.batchDuration),
    queueTexts: gauge(METRIC.queueTexts),
    queueWait: histogram(METRIC.queueWait),
    workerRestarts: counter(METRIC.workerRestarts),
    remoteRequests: counter(METRIC.remoteRequests),
    remoteRetries: counter(METRIC.remoteRetries),
    remoteBreaker: upDownCounter(METRIC.remoteBreaker),
    vectorSearchDuration: histogram(METRIC.vectorSearchDuration),
    vectorSearchQueries: histogram(METRIC.vectorSearchQueries),
    guardrailBreaches: counter(METRIC.guardrailBreaches),
    shadowOverlap: histogram(METRIC.shadowOverlap),
    shadowScoreShift: histogram(METRIC.shadowScoreShift),
    shadowDuration: histogram(METRIC.shadowDuration),
    shadowDropped: counter(METRIC.shadowDropped),
    shadowFailed: counter(METRIC.shadowFailed),
    eventLoopDelay: gauge(METRIC.eventLoopDelay),
  };
}

/** Telemetry that costs nothing and shows nothing, for tests and tools. */
export function noTelemetry(): Telemetry {
  return { tracer: trace.getTracer('kindred-off'), metrics: createMetrics(createNoopMeter()) };
}

export interface SpanSettings {
  readonly attributes?: Attributes;
  readonly kind?: SpanKind;
  /** Links to the spans of the requests that share this work. */
  readonly links?: Link[];
  /** Makes a trace of its own: for work that several requests share. */
  readonly root?: boolean;
  readonly parent?: Context;
}

/** Runs `work` inside a span that ends with it and carries its error's code (never its text). */
export async function withSpan<T>(
  { tracer }: Telemetry,
  name: string,
  settings: SpanSettings,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const { parent = context.active(), ...options } = settings;
  const span = tracer.startSpan(name, options, parent);
  try {
    return await context.with(trace.setSpan(parent, span), () => work(span));
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Marks `span` as failed by `error`, with its public code only: messages may hold users' text. */
export function failSpan(span: Span, error: unknown): void {
  const code = error instanceof KindredError ? error.code : 'INTERNAL_SERVER_ERROR';
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: code });
}
