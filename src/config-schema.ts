import { z } from 'zod';
import { CACHE_URL, parseCacheUrl } from './cache/url.js';
import { faissSchema } from './config-faiss.js';
import { milvusSchema } from './config-milvus.js';
import { modelsSchema } from './config-models.js';
import { pineconeSchema } from './config-pinecone.js';
import { adminSchema, rolloutSchema } from './config-rollout.js';
import { port, count, milliseconds } from './config-values.js';
import { packageRoot } from './package-root.js';
import { TEXT_LANGUAGES } from './vectors/text-language.js';

/** Settings that `kindred config` masks and that no log line may hold, by dotted key. */
export const SECRET_KEYS: ReadonlySet<string> = new Set([
  'admin.token',
  'cache.url',
  'models.bucket.secretAccessKey',
  'rollout.stateUrl',
  'search.cursorSecret',
  'store.milvus.token',
  'store.pinecone.apiKey',
]);

/** Settings that hold paths: relative ones in kindred.yaml start at its folder, others at the working directory. */
export const PATH_KEYS: ReadonlySet<string> = new Set([
  'data',
  'catalogue.file',
  'catalogue.seed',
  'models.folder',
  'models.catalogues',
  'store.milvus.bulk.folder',
  'store.milvus.tls.caFile',
  'store.milvus.tls.certFile',
  'store.milvus.tls.keyFile',
]);

/** Every setting: what it is, its default, its unit. The table in deploy/docs/configuration.md is generated from it. */
export const configSchema = z.strictObject({
  data: z
    .string()
    .min(1)
    .default('data')
    .describe('Data folder: vectors, import checkpoints, the cursor key. Also `KINDRED_DATA`.'),
  production: z
    .boolean()
    .default(false)
    .describe(
      'Hides the schema: no introspection, no suggestions, no GraphiQL. True by default when `NODE_ENV=production`.',
    ),
  catalogue: z
    .strictObject({
      file: z
        .string()
        .min(1)
        .default(packageRoot('deploy/sample/catalogue.yaml'))
        .describe('The catalogue.yaml that names entity, fields and text template.'),
      seed: z
        .array(z.string().min(1))
        .default([])
        .describe(
          'Files that `serve` imports on a first start, while the store is empty. The sample catalogue seeds itself.',
        ),
    })
    .prefault({}),
  server: z
    .strictObject({
      host: z.string().min(1).default('localhost').describe('Address to listen on; `0.0.0.0` for all.'),
      port: port.default(4000).describe('Port to listen on; 0 takes a free one. Also `PORT`.'),
      bodyLimitBytes: count
        .default(1_048_576)
        .describe('Largest request body, in bytes; a larger one is 413.'),
      deadlineMs: count.default(10_000).describe('Time a request may take, in ms; then DEADLINE_EXCEEDED.'),
      headersTimeoutMs: count.default(10_000).describe('Time a client may take to send its headers, in ms.'),
      requestTimeoutMs: count
        .default(30_000)
        .describe('Time a client may take to send its whole request, in ms.'),
      maxConnections: count.default(4096).describe('Open connections at most; more are closed at once.'),
      maxInFlight: count
        .default(1024)
        .describe('GraphQL and REST requests being answered at most; more are OVERLOADED.'),
      shedAbove: z
        .number()
        .min(0.1)
        .max(1)
        .default(0.9)
        .describe(
          'Share of its time that the main thread may be at work: beyond, or when no core of the machine is idle, most requests are refused before they are read, cached or not, while more are refused than answered. 1 is never.',
        ),
      holdRefusalsMs: milliseconds
        .max(1_000)
        .default(250)
        .describe(
          'While more requests are refused as OVERLOADED than answered, time that a refusal is held back at most, in ms: a client that does not wait for Retry-After takes less then. 0 is never.',
        ),
      drainMs: milliseconds
        .default(500)
        .describe('On SIGTERM: time between /readyz turning 503 and the listener closing, in ms.'),
      shutdownGraceMs: count
        .default(15_000)
        .describe('On SIGTERM: time that requests in flight get to finish, in ms.'),
      trustProxy: z
        .boolean()
        .default(false)
        .describe('Whether `X-Forwarded-*` headers of the peer are believed.'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      depth: count.default(12).describe('Deepest selection of a GraphQL operation.'),
      aliases: count.default(30).describe('Aliases in an operation.'),
      directives: count.default(50).describe('Directives in an operation.'),
      tokens: count.default(5_000).describe('GraphQL tokens in a document.'),
      cost: count
        .default(5_000)
        .describe(
          'Cost of an operation: the sum over fields of their price times the page sizes above them.',
        ),
      pageSize: count.default(100).describe('Largest `first`.'),
      embedInputs: count.default(64).describe('Inputs of one `embed` field.'),
      restInputs: count
        .default(256)
        .describe('Inputs of one REST request (`/embed/{version}`, `/v1/embeddings`).'),
      examples: count.default(32).describe('Examples of one `recommend` field, likes and dislikes together.'),
      bareVectors: z
        .boolean()
        .default(true)
        .describe(
          'Whether `recommend` takes a `vector` that does not say which model made it. Its length is all that can be checked, and without a `modelVersion` the stable version answers; false asks for `embedding`, a vector with its passport.',
        ),
      filterValues: count.default(1_000).describe('Values in all `in` lists of a filter.'),
      filterDepth: count.default(8).describe('Nesting of `and`, `or` and `not` in a filter.'),
      textBytes: count
        .default(65_536)
        .describe('Longest text in UTF-8 bytes; longer ones are TEXT_TOO_LONG.'),
    })
    .prefault({}),
  models: modelsSchema,
  rollout: rolloutSchema,
  admin: adminSchema,
  embedding: z
    .strictObject({
      threads: z
        .int()
        .min(0)
        .default(0)
        .describe(
          'Worker threads shared by all models; 0 is one a core (of the CPU limit of a container, where that is less) but for one, which the main thread and the store need (`kindred import` takes them all), or two a device with a GPU provider.',
        ),
      workerHeapMb: z
        .int()
        .min(64)
        .default(1_024)
        .describe('JavaScript heap of a worker at most, in MiB; one that needs more is replaced.'),
      executionProviders: z
        .array(z.union([z.string().min(1), z.looseObject({ name: z.string().min(1) })]))
        .min(1)
        .default(['cpu'])
        .describe(
          "Where sessions run, in the order of preference: names of onnxruntime-node's providers (`cpu`, `cuda`, `cuda:1` for device 1, `webgpu`, ...), or in kindred.yaml maps `{ name, deviceId, ... }` that are passed on. Several devices of the first provider share the workers. A model whose provider can't run is refused; `cpu` after another lets single operators run there.",
        ),
      providerFallback: z
        .boolean()
        .default(false)
        .describe(
          'Whether a model whose provider fails runs on the CPU instead; `/readyz` and `models` then call it degraded.',
        ),
      intraOpThreads: count.default(1).describe('Threads inside a session (`intraOpNumThreads`).'),
      spinning: z
        .boolean()
        .default(false)
        .describe(
          'Whether threads inside a session spin while they wait: a little faster alone, at the cost of the cores of all others. Counts with `intraOpThreads` above 1.',
        ),
      maxBatchTexts: count
        .nullable()
        .default(null)
        .describe(
          'Texts in a batch at most. By default each model is measured for some 0.3 s when it is loaded, and gets what suits it: 16 to 256, with a GPU 128 to 1,024 (`kindred doctor` shows it).',
        ),
      maxBatchTokens: count
        .nullable()
        .default(null)
        .describe(
          'Tokens in a batch at most, padding included. By default what a worker computes in 50 ms, by the same measurement.',
        ),
      runTokens: count
        .nullable()
        .default(null)
        .describe(
          'Tokens in one session run at most, padding included; a batch is cut into runs of texts of similar length. By default so many that starting a run hardly counts: 256 to 2,048, with a GPU 2,048 to 32,768.',
        ),
      bulkBatchTokens: count
        .default(1_024)
        .describe(
          'Tokens in a batch of an import at most: a request that comes behind it waits for it. `kindred import`, where nobody waits, takes 8,192 or more.',
        ),
      maxQueueTexts: count
        .default(2_048)
        .describe('Texts waiting for one model at most, requests and imports each; more are OVERLOADED.'),
      maxQueueTokens: count
        .default(262_144)
        .describe(
          'Estimated tokens waiting for one model at most, requests and imports each; more are OVERLOADED.',
        ),
      maxQueueMs: count
        .default(750)
        .describe(
          'Time that the texts before a request may take to get to a worker, in ms, by the speed that the model has; a request that would wait longer is OVERLOADED, which keeps the latency of those that are taken. While more requests are refused than answered, those that have waited for half of it make room for those that come; once that has gone on for longer than all of it, half of it is left for these, too. Imports wait.',
        ),
      watchdogMs: count
        .default(30_000)
        .describe('Time a batch may take in its worker, in ms; then the worker is replaced.'),
    })
    .prefault({}),
  images: z
    .strictObject({
      enabled: z.boolean().default(false).describe('Whether images may be embedded, given as base64.'),
      maxBytes: count
        .default(5_242_880)
        .describe('Largest image, in bytes as encoded. `server.bodyLimitBytes` has to hold its base64.'),
      maxPixels: count
        .default(25_000_000)
        .describe('Largest image, in pixels (width times height); larger ones are never decoded.'),
      maxBatch: count.default(8).describe('Images in a batch at most.'),
      maxQueueImages: count
        .default(256)
        .describe('Images waiting for one model at most; more are OVERLOADED.'),
      maxQueueBytes: count
        .default(134_217_728)
        .describe('Bytes of all images that wait for one model at most; more are OVERLOADED.'),
      urls: z
        .strictObject({
          enabled: z
            .boolean()
            .default(false)
            .describe('Whether images may be given by https URL, which this server then fetches.'),
          allowedHosts: z
            .array(z.string().min(1))
            .default([])
            .describe(
              'Hosts that URLs may name, such as `images.example.com` or `*.example.com` (not `example.com` itself); empty allows every host with public addresses.',
            ),
          timeoutMs: count
            .default(5_000)
            .describe('Time that an image may take to arrive, redirects included, in ms.'),
          concurrency: count.default(16).describe('Images fetched at once; eight times as many may wait.'),
        })
        .prefault({}),
    })
    .prefault({}),
  cache: z
    .strictObject({
      adapter: z
        .enum(['memory', 'none'])
        .default('memory')
        .describe('Where embeddings are cached: in memory, then behind `cache.url`; `none` for not at all.'),
      maxBytes: count
        .default(134_217_728)
        .describe('Embeddings kept in memory at most, in bytes; the least recently used go first.'),
      url: z
        .string()
        .refine((text) => parseCacheUrl(text) !== undefined, `expected ${CACHE_URL}`)
        .nullable()
        .default(null)
        .describe(
          'A server behind the memory, shared by replicas: `redis://`, `rediss://`, `valkey://`, `valkeys://` or `memcached://`, as `redis://user:password@host:6379/0`. Serving goes on without it when it is away.',
        ),
      namespace: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 of A-Z, a-z, 0-9, dot, hyphen and underscore')
        .default('default')
        .describe('Keeps apart the embeddings of gateways that share the server behind `cache.url`.'),
      timeoutMs: count
        .default(50)
        .describe('Time a lookup behind `cache.url` may take, in ms; then the text is computed.'),
      ttlSeconds: count
        .max(315_360_000)
        .default(86_400)
        .describe('Time an embedding stays in each tier, in s.'),
    })
    .prefault({}),
  store: z
    .strictObject({
      adapter: z
        .enum(['lancedb', 'milvus', 'faiss', 'pinecone', 'memory'])
        .default('lancedb')
        .describe('Vector store. `memory` forgets everything at exit.'),
      milvus: milvusSchema,
      faiss: faissSchema,
      pinecone: pineconeSchema,
      batchQueries: count
        .max(64)
        .default(64)
        .describe(
          'Searches of concurrent requests that go to the store in one call at most; 1 for each on its own.',
        ),
      indexFromRows: count.default(5_000).describe('Rows from which LanceDB builds an approximate index.'),
      refineFactor: count
        .default(3)
        .describe('LanceDB re-ranks `limit x refineFactor` candidates by their full vectors.'),
      textLanguage: z
        .enum(TEXT_LANGUAGES)
        .nullable()
        .default('English')
        .describe(
          'Language of the catalogue: lexical search reduces its words to stems. null takes words as they are; for LanceDB, at the first import.',
        ),
      refreshMs: milliseconds
        .default(1_000)
        .describe('How soon a server sees what another process wrote, in ms.'),
      cachedItems: count
        .default(10_000)
        .describe(
          'Items of each version kept in memory for `refreshMs` at most, so that hot pages cost no call.',
        ),
    })
    .prefault({}),
  search: z
    .strictObject({
      window: count.default(200).describe('Results fetched for a query at once; paging moves inside them.'),
      openingWindow: count
        .default(12)
        .describe(
          'Results fetched at first; twice, four times ... as many for a larger first page. Searches for more, and then for the whole window, follow when somebody goes on.',
        ),
      windowTtlMs: milliseconds
        .default(30_000)
        .describe('Time a window of results stays cached for paging, in ms.'),
      windowCacheEntries: count.default(2_000).describe('Windows kept at most.'),
      fusion: z
        .strictObject({
          rankConstant: z
            .number()
            .min(0)
            .default(60)
            .describe(
              'Hybrid search scores an item `weight / (rankConstant + rank)` in each ranking; higher favours items in both.',
            ),
          semanticWeight: z.number().min(0).default(1).describe('How much the ranking by meaning counts.'),
          lexicalWeight: z.number().min(0).default(1).describe('How much the ranking by words counts.'),
        })
        .prefault({}),
      cursorSecret: z
        .string()
        .min(16)
        .nullable()
        .default(null)
        .describe(
          'Key that signs cursors; share it between replicas. Made and kept in the data folder by default.',
        ),
    })
    .prefault({}),
  import: z
    .strictObject({
      batchSize: count.default(2_048).describe('Rows that an import embeds and writes at once.'),
      maxLineBytes: count
        .default(4_194_304)
        .describe('Longest line of a file, in bytes; longer ones are rejected.'),
    })
    .prefault({}),
  apq: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Automatic persisted queries.'),
      maxEntries: count.default(2_000).describe('Persisted queries kept at most.'),
      ttlSeconds: count.default(86_400).describe('Time a persisted query stays, in s.'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
        .default('info')
        .describe('Least level that is logged.'),
      pretty: z
        .boolean()
        .nullable()
        .default(null)
        .describe('Lines for people; by default only on a terminal.'),
      texts: z.boolean().default(false).describe("Whether users' raw texts may stand in logs and spans."),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      serviceName: z
        .string()
        .min(1)
        .default('kindred')
        .describe('`service.name` of spans; `OTEL_SERVICE_NAME` goes before it.'),
      sampleRatio: z
        .number()
        .min(0)
        .max(1)
        .default(1)
        .describe('Share of traces without a parent that are recorded.'),
      metrics: z.boolean().default(true).describe('Whether `/metrics` answers.'),
    })
    .prefault({}),
});

export type Config = z.infer<typeof configSchema>;
