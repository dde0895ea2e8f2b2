import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StateStore } from './state-store.js';

/** Older states that stay, for who reads while they are replaced, and for people. */
const KEPT = 32;

/**
 * A state in a folder, for processes of one machine: each state is a file of its own, numbered, made whole beside its place and linked into it.
 * A link to a name that is taken fails, so of two writers one wins, without locks, whenever a process is killed.
 */
export function createFileState(folder: string): StateStore {
  const pathOf = (number: number): string => join(folder, `${String(number).padStart(8, '0')}.json`);
  const numbers = async (): Promise<number[]> => {
    const names = await readdir(folder).catch(noneWhenMissing);
    return names
      .map((name) => Number(/^(\d{8})\.json$/.exec(name)?.[1] ?? 0))
      .filter((number) => number > 0)
      .sort((a, b) => b - a);
  };

  return {
    name: folder,
    read: async () => {
      for (;;) {
        const [latest] = await numbers();
        if (latest === undefined) return null;
        const text = await readFile(pathOf(latest), 'utf8').catch(undefinedWhenMissing);
        // Gone since: many later ones are there.
        if (text !== undefined) return { tag: String(latest), text };
      }
    },
    write: async (expected, text) => {
      await mkdir(folder, { recursive: true });
      const known = await numbers();
      if (String(known[0] ?? 0) !== (expected ?? '0')) return 'conflict';
      const next = (known[0] ?? 0) + 1;
      const whole = join(folder, `.${randomUUID()}`);
      try {
        const handle = await open(whole, 'w');
        await handle
          .writeFile(text)
          .then(() => handle.sync())
          .finally(() => handle.close());
        await link(whole, pathOf(next));
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return 'conflict';
        throw error;
      } finally {
        await rm(whole, { force: true });
      }
      await Promise.all(known.slice(KEPT).map((number) => rm(pathOf(number), { force: true })));
      return 'stored';
    },
    close: () => Promise.resolve(),
  };
}

function noneWhenMissing(error: unknown): string[] {
  if (codeOf(error) === 'ENOENT') return [];
  throw error;
}

function undefinedWhenMissing(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined;
  throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
