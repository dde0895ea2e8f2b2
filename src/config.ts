import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { ConfigError, describeIssue, show, suggest } from './config-faults.js';
import { type ConfigKey, configKeys } from './config-keys.js';
import { type Config, PATH_KEYS, SECRET_KEYS, configSchema } from './config-schema.js';

export type { Config } from './config-schema.js';

/** Where settings come from, weakest first. */
export interface ConfigSources {
  /** kindred.yaml; default: the one in the working directory when there is one. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags by dotted key, e.g. `{'server.port': '4001'}`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
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
  const { versions, stable, candidate, bucket } = config.models;
  const list = `one of models.versions (${versions.join(', ')})`;
  if (!versions.includes(stable)) faults.push(`models.stable: expected ${list}, received ${show(stable)}`);
  if (candidate !== null && !versions.includes(candidate))
    faults.push(`models.candidate: expected ${list}, received ${show(candidate)}`);
  if (candidate === stable)
    faults.push(`models.candidate: expected another version than models.stable, received ${show(candidate)}`);
  if ((bucket.accessKeyId === null) !== (bucket.secretAccessKey === null))
    faults.push('models.bucket: expected both accessKeyId and secretAccessKey or neither, received one');
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

/** Makes the path at `path` in `tree`, a string, or a list or map of strings, absolute. */
function rebase(tree: Tree, path: string[], base: string): void {
  const [head = '', ...rest] = path;
  const value = tree[head];
  if (rest.length > 0) {
    if (value !== null && typeof value === 'object') rebase(value as Tree, rest, base);
  } else if (typeof value === 'string' && value !== '') tree[head] = resolve(base, value);
  else if (Array.isArray(value))
    tree[head] = value.map((each: unknown) => (typeof each === 'string' ? resolve(base, each) : each));
  else if (value !== null && typeof value === 'object')
    tree[head] = Object.fromEntries(
      Object.entries(value).map(([name, each]) => [
        name,
        typeof each === 'string' ? resolve(base, each) : each,
      ]),
    );
}

function resolvePaths(config: Config): Config {
  for (const key of PATH_KEYS) rebase(config, key.split('.'), process.cwd());
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

/** A map written as `name=value,name=value`; numbers are read as such. */
function readMap(text: string): Record<string, unknown> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', value = ''] = pair.split('=', 2).map((part) => part.trim());
      return [name, readScalar(value, 'number')];
    }),
  );
}

/** Reads the text of a variable or flag as the type of its setting; what does not fit stays text, for zod to refuse. */
function readScalar(text: string, type: string): unknown {
  if (type.includes('null') && text === 'null') return null;
  if (type.includes('list')) return text.split(',').map((each) => each.trim());
  if (type.includes('map')) return readMap(text);
  if (type.includes('number') || type.includes('integer'))
    return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
  if (type.includes('boolean'))
    return { true: true, false: false, '1': true, '0': false }[text.toLowerCase()] ?? text;
  return text;
}
