import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { packageRoot } from './package-root.js';

/** Settings that `kindred config` masks and that no log line may hold, by dotted key. */
const SECRET_KEYS: ReadonlySet<string> = new Set(['search.cursorSecret']);

/** Settings that hold paths: relative ones in kindred.yaml start at its folder, others at the working directory. */
const PATH_KEYS: ReadonlySet<string> = new Set(['data', 'catalogue.file', 'catalogue.seed', 'models.folder']);

const port = z.int().min(0).max(65_535);
const count = z.int().min(1);
const milliseconds = z.int().min(0);

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
        .describe('GraphQL requests being answered at most; more are OVERLOADED.'),
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
      examples: count.default(32).describe('Examples of one `recommend` field, likes and dislikes together.'),
      filterValues: count.default(1_000).describe('Values in all `in` lists of a filter.'),
      filterDepth: count.default(8).describe('Nesting of `and`, `or` and `not` in a filter.'),
      textBytes: count
        .default(65_536)
        .describe('Longest text in UTF-8 bytes; longer ones are TEXT_TOO_LONG.'),
    })
    .prefault({}),
  models: z
    .strictObject({
      folder: z
        .string()
        .min(1)
        .default(packageRoot('deploy/models'))
        .describe('Folder that holds one folder a model bundle.'),
      versions: z
        .array(z.string().min(1))
        .min(1)
        .default(['v1', 'v2'])
        .describe('Bundles that serve, by folder name.'),
      stable: z.string().min(1).default('v2').describe('The version that answers by default.'),
      candidate: z
        .string()
        .min(1)
        .nullable()
        .default(null)
        .describe('The version on trial, under the alias `candidate`.'),
    })
    .prefault({}),
  embedding: z
    .strictObject({
      threads: z.int().min(0).default(0).describe('Worker threads shared by all models; 0 is one a core.'),
      intraOpThreads: count.default(1).describe('Threads inside a session (`intraOpNumThreads`).'),
      maxBatchTexts: count.default(32).describe('Texts in a batch at most.'),
      maxBatchTokens: count.default(4_096).describe('Tokens in a batch at most, padding included.'),
      maxQueueTexts: count
        .default(2_048)
        .describe('Texts waiting for one model at most; more are OVERLOADED.'),
      maxQueueTokens: count
        .default(262_144)
        .describe('Estimated tokens waiting for one model at most; more are OVERLOADED.'),
      watchdogMs: count
        .default(30_000)
        .describe('Time a batch may take in its worker, in ms; then the worker is replaced.'),
    })
    .prefault({}),
  cache: z
    .strictObject({
      adapter: z.enum(['memory', 'none']).default('memory').describe('Where embeddings are cached.'),
      maxEntries: count
        .default(50_000)
        .describe('Embeddings kept in memory at most; the least recently used go first.'),
      ttlSeconds: count.default(86_400).describe('Time an embedding stays cached, in s.'),
    })
    .prefault({}),
  store: z
    .strictObject({
      adapter: z
        .enum(['lancedb', 'memory'])
        .default('lancedb')
        .describe('Vector store. `memory` forgets everything at exit.'),
      indexFromRows: count.default(5_000).describe('Rows from which LanceDB builds an approximate index.'),
      refineFactor: count
        .default(3)
        .describe('LanceDB re-ranks `limit x refineFactor` candidates by their full vectors.'),
      refreshMs: milliseconds
        .default(1_000)
        .describe('How soon a server sees what another process wrote, in ms.'),
    })
    .prefault({}),
  search: z
    .strictObject({
      window: count.default(200).describe('Results fetched for a query at once; paging moves inside them.'),
      windowTtlMs: milliseconds
        .default(30_000)
        .describe('Time a window of results stays cached for paging, in ms.'),
      windowCacheEntries: count.default(2_000).describe('Windows kept at most.'),
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

/** Where settings come from, weakest first. */
export interface ConfigSources {
  /** kindred.yaml; default: the one in the working directory when there is one. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags by dotted key, e.g. `{'server.port': '4001'}`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
}

/** All faults of a config at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly faults: readonly string[]) {
    super(
      `The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
  }
}

/** One documented setting. */
export interface ConfigKey {
  readonly key: string;
  readonly env: string;
  readonly type: string;
  readonly default: unknown;
  readonly description: string;
  readonly secret: boolean;
}

/** Every setting with its environment variable, in the order of the schema. */
export function configKeys(): ConfigKey[] {
  const keys: ConfigKey[] = [];
  const visit = (schema: z.ZodType, path: string[]): void => {
    const inner = unwrap(schema);
    if (inner instanceof z.ZodObject) {
      for (const [name, child] of Object.entries(inner.shape as Record<string, z.ZodType>))
        visit(child, [...path, name]);
      return;
    }
    const key = path.join('.');
    keys.push({
      key,
      env: envName(key),
      type: typeName(schema),
      default: schema instanceof z.ZodDefault ? (schema.def.defaultValue as unknown) : undefined,
      description: schema.description ?? '',
      secret: SECRET_KEYS.has(key),
    });
  };
  visit(configSchema, []);
  return keys;
}

/** Parses the config from all its sources. Throws ConfigError with every fault: key, expected, received (secrets masked). */
export function loadConfig({ file, env, flags = {} }: ConfigSources): Config {
  const faults: string[] = [];
  const path = file ?? env.KINDRED_CONFIG ?? (existsSync('kindred.yaml') ? 'kindred.yaml' : undefined);
  const tree = path === undefined ? {} : readYaml(path, faults);
  if (env.NODE_ENV === 'production' && tree.production === undefined) tree.production = true;

  const byKey = new Map(configKeys().map((key) => [key.key, key]));
  const byEnv = new Map([...byKey.values()].map((key) => [key.env, key]));
  const aliases: Record<string, string> = { PORT: 'KINDRED_SERVER_PORT' };
  // An alias goes first, so that the variable with the full name wins over it.
  const names = Object.keys(env).sort((a, b) => Number(b in aliases) - Number(a in aliases));
  for (const name of names) {
    const value = env[name];
    const full = aliases[name] ?? name;
    if (value === undefined || value === '' || !full.startsWith('KINDRED_') || full === 'KINDRED_CONFIG')
      continue;
    const key = byEnv.get(full);
    if (key === undefined)
      faults.push(
        `${name}: expected the name of a setting, received an unknown one${suggest(full, byEnv.keys())}`,
      );
    else assign(tree, key, value, process.cwd());
  }
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    const key = byKey.get(name);
    if (key === undefined)
      faults.push(
        `--set ${name}: expected the key of a setting, received an unknown one${suggest(name, byKey.keys())}`,
      );
    else assign(tree, key, value, process.cwd());
  }

  const parsed = configSchema.safeParse(tree, { reportInput: true });
  if (!parsed.success) {
    for (const issue of parsed.error.issues) faults.push(...describeIssue(issue, byKey));
  }
  if (parsed.success && faults.length === 0) return checkTogether(resolvePaths(parsed.data));
  throw new ConfigError(faults);
}

/** The config as `kindred config` prints it: secrets masked. */
export function maskSecrets(config: Config): unknown {
  const masked = structuredClone(config) as Record<string, unknown>;
  for (const key of SECRET_KEYS) {
    const [parent, name] = locate(masked, key.split('.'));
    if (parent[name] !== null && parent[name] !== undefined) parent[name] = '********';
  }
  return masked;
}

function checkTogether(config: Config): Config {
  const faults: string[] = [];
  const { versions, stable, candidate } = config.models;
  const list = `one of models.versions (${versions.join(', ')})`;
  if (!versions.includes(stable)) faults.push(`models.stable: expected ${list}, received ${show(stable)}`);
  if (candidate !== null && !versions.includes(candidate))
    faults.push(`models.candidate: expected ${list}, received ${show(candidate)}`);
  if (candidate === stable)
    faults.push(`models.candidate: expected another version than models.stable, received ${show(candidate)}`);
  if (config.limits.pageSize > config.search.window) {
    faults.push(
      `limits.pageSize: expected at most search.window (${config.search.window}), received ${config.limits.pageSize}`,
    );
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return config;
}

type Tree = Record<string, unknown>;

function readYaml(path: string, faults: string[]): Tree {
  let tree: unknown;
  try {
    tree = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    faults.push(`${path}: expected a readable YAML file, received: ${why}`);
    return {};
  }
  if (tree === null || tree === undefined) return {};
  if (typeof tree !== 'object' || Array.isArray(tree)) {
    faults.push(`${path}: expected a map of settings, received ${show(tree)}`);
    return {};
  }
  const copy = structuredClone(tree) as Tree;
  for (const key of PATH_KEYS) rebase(copy, key.split('.'), dirname(resolve(path)));
  return copy;
}

/** Makes the path at `path` in `tree`, a string or a list of strings, absolute. */
function rebase(tree: Tree, path: string[], base: string): void {
  const [head = '', ...rest] = path;
  const value = tree[head];
  if (rest.length > 0) {
    if (value !== null && typeof value === 'object') rebase(value as Tree, rest, base);
  } else if (typeof value === 'string' && value !== '') tree[head] = resolve(base, value);
  else if (Array.isArray(value))
    tree[head] = value.map((each: unknown) => (typeof each === 'string' ? resolve(base, each) : each));
}

function resolvePaths(config: Config): Config {
  for (const key of PATH_KEYS) rebase(config as unknown as Tree, key.split('.'), process.cwd());
  return config;
}

function assign(tree: Tree, key: ConfigKey, text: string, base: string): void {
  const [parent, name] = locate(tree, key.key.split('.'));
  parent[name] = readScalar(text, key.type);
  if (PATH_KEYS.has(key.key)) rebase(tree, key.key.split('.'), base);
}

function locate(tree: Tree, path: string[]): [Tree, string] {
  const [head = '', ...rest] = path;
  if (rest.length === 0) return [tree, head];
  if (tree[head] === null || typeof tree[head] !== 'object') tree[head] = {};
  return locate(tree[head] as Tree, rest);
}

/** Reads the text of a variable or flag as the type of its setting; what does not fit stays text, for zod to refuse. */
function readScalar(text: string, type: string): unknown {
  if (type.includes('null') && text === 'null') return null;
  if (type.includes('list')) return text.split(',').map((each) => each.trim());
  if (type.includes('number') || type.includes('integer'))
    return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
  if (type.includes('boolean'))
    return { true: true, false: false, '1': true, '0': false }[text.toLowerCase()] ?? text;
  return text;
}

function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodNullable) {
    inner = inner.def.innerType as z.ZodType;
  }
  return inner;
}

function typeName(schema: z.ZodType): string {
  let nullable = '';
  for (let inner = schema; ; inner = inner.def.innerType as z.ZodType) {
    if (inner instanceof z.ZodNullable) nullable = ' or null';
    else if (!(inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault)) break;
  }
  const inner = unwrap(schema);
  if (inner instanceof z.ZodEnum)
    return inner.options.map((option) => `\`${String(option)}\``).join(', ') + nullable;
  if (inner instanceof z.ZodArray) return 'list' + nullable;
  if (inner instanceof z.ZodBoolean) return 'boolean' + nullable;
  if (inner instanceof z.ZodNumber) return (inner.isInt ? 'integer' : 'number') + nullable;
  return 'string' + nullable;
}

function envName(key: string): string {
  return `KINDRED_${key
    .replace(/\./g, '_')
    .replace(/[A-Z]/g, (capital) => `_${capital}`)
    .toUpperCase()}`;
}

function describeIssue(issue: z.core.$ZodIssue, keys: ReadonlyMap<string, ConfigKey>): string[] {
  const key = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => {
      const full = key === '' ? name : `${key}.${name}`;
      return `${full}: expected a known key, received an unknown one${suggest(full, keys.keys())}`;
    });
  }
  const expected = issue.message
    .replace(/^Too (small|big): /, '')
    .replace(/^Invalid (input|option): /, '')
    .replace(/^expected /, '')
    .replace(/, received .*$/, '');
  const received = SECRET_KEYS.has(key) ? '********' : show(issue.input);
  return [`${key || 'kindred.yaml'}: expected ${expected}, received ${received}`];
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function suggest(name: string, known: Iterable<string>): string {
  let best = '';
  let least = 4;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best === '' ? '' : `; did you mean ${best}?`;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
