import { type Command, InvalidArgumentError } from 'commander';
import { ConfigError } from '../config-faults.js';
import { type Config, loadConfig } from '../config.js';
import { KindredError } from '../errors.js';
import type * as main from '../main.js';
import { tidyNativeStore } from './native-store.js';

type Main = typeof main;

/** Exit codes shared by all commands; `import` adds its own. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** Options that every command has. */
export interface CommonOptions {
  readonly config?: string;
  readonly set: Record<string, string>;
  readonly data?: string;
}

/** Adds the options that every command has. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'kindred.yaml to read (default: the one in the working directory)')
    .option('--set <key=value>', 'override a setting; may be given again', collectSetting, {})
    .option('--data <folder>', 'data folder');
}

/** Loads the config of a command: files and environment, then `--set`, then the command's own flags. */
export function commandConfig(
  options: CommonOptions,
  flags: Record<string, string | undefined> = {},
): Config {
  return loadConfig({
    file: options.config,
    env: process.env,
    flags: { ...options.set, ...given({ data: options.data, ...flags }) },
  });
}

/** Without those that are not given: they must not hide what --set says. */
function given(flags: Record<string, string | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

/**
 * Runs a command's work and turns what it throws into one message on standard error and an exit code. Stacks are for bugs: expected
 * faults (config, files, a KindredError) print their message only.
 */
export function action<Args extends unknown[]>(
  work: (...args: Args) => Promise<number>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    try {
      process.exitCode = await work(...args);
    } catch (error) {
      console.error(describeFault(error));
      process.exitCode = EXIT.failed;
    }
  };
}

/** What a person at a terminal can use of `error`. */
export function describeFault(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof KindredError) return `kindred: ${error.code}: ${error.message}`;
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    const mend: Record<string, string> = {
      EADDRINUSE: 'the port is taken: stop the other process, or choose another port with PORT or --port',
      EACCES: 'permission denied: choose a folder or port that this user may use (KINDRED_DATA, PORT)',
      EROFS: 'the file system is read-only: choose a writable data folder with KINDRED_DATA',
      EMFILE: 'too many open files: raise the limit (ulimit -n)',
      ENOSPC: 'the disk is full',
    };
    const known = mend[error.code];
    return `kindred: ${error.message}${known === undefined ? '' : `\n  ${known}`}`;
  }
  return `kindred: ${error instanceof Error ? error.message : String(error)}`;
}

/** Loads the composition root when a command needs it: it takes a second, and a faulty config should be told at once. */
export async function loadMain(): Promise<Main> {
  tidyNativeStore();
  await loadGraphql();
  return import('../main.js');
}

/**
 * Loads graphql-js as for production, without checks that help those who have two copies of it: a thirtieth of a page's CPU. It looks at NODE_ENV
 * once, here; what NODE_ENV means to the user, such as hiding the schema, is left as it is.
 */
async function loadGraphql(): Promise<void> {
  const { env } = process;
  const { NODE_ENV: own } = env;
  env.NODE_ENV = 'production';
  try {
    await import('graphql');
  } finally {
    if (own === undefined) delete env.NODE_ENV;
    else env.NODE_ENV = own;
  }
}

/** Parses a whole number from 1 to `max`. */
export function wholeNumber(max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > max) {
      throw new InvalidArgumentError(`expected a whole number from 1 to ${max}, received ${text}`);
    }
    return value;
  };
}

/** Adds a `key=value` to those given before it. */
export function collectSetting(text: string, settings: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError(`expected key=value, received ${text}`);
  return { ...settings, [text.slice(0, at)]: text.slice(at + 1) };
}
