import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { splitLines } from '../catalogue/lines.js';

const manifestSchema = z.object({
  generation: z.uuid(),
  factory: z.string(),
  dimension: z.int().min(1),
  rows: z.int().min(0),
});

/** Which index is the current one, and what it was made by. */
export type FaissManifest = z.infer<typeof manifestSchema>;

/** Id and content hash of the vector at each position; null for one that had gone when the index was written. */
export type FaissEntry = readonly [id: string, hash: string] | null;

/** The files of a collection's index: each build writes a generation of its own, and the manifest names the one that counts. */
export interface FaissFiles {
  /** Of the current generation; undefined where there is none that can be read. */
  manifest(): Promise<FaissManifest | undefined>;
  /** Changes when the current generation does. */
  stamp(): Promise<number>;
  indexFile(generation: string): string;
  entries(generation: string): Promise<FaissEntry[]>;
  /** Has `write` make the index file of a new generation, and makes it the current one. */
  replace(
    made: Omit<FaissManifest, 'generation'>,
    entries: readonly FaissEntry[],
    write: (file: string) => Promise<void>,
  ): Promise<void>;
}

/** The files in `folder`. */
export function createFaissFiles(folder: string): FaissFiles {
  const manifestFile = join(folder, 'manifest.json');
  const indexFile = (generation: string): string => join(folder, `${generation}.faiss`);
  const entriesFile = (generation: string): string => join(folder, `${generation}.ids.jsonl`);
  const manifest = async (): Promise<FaissManifest | undefined> => {
    try {
      return manifestSchema.parse(JSON.parse(await readFile(manifestFile, 'utf8')));
    } catch {
      // None yet, or none of ours: the index is made anew from the records.
      return undefined;
    }
  };
  return {
    manifest,
    stamp: async () => (await stat(manifestFile).catch(() => undefined))?.mtimeMs ?? 0,
    indexFile,
    entries: async (generation) => {
      const entries: FaissEntry[] = [];
      // Not node's readline: on Node 24 it also splits at U+2028, and an id may have one.
      const chunks = createReadStream(entriesFile(generation)) as AsyncIterable<Buffer>;
      for await (const line of splitLines(chunks, Infinity)) {
        if ('fault' in line) throw new Error(line.fault);
        entries.push(JSON.parse(line.text) as FaissEntry);
      }
      return entries;
    },
    replace: async (made, entries, write) => {
      const generation = randomUUID();
      await mkdir(folder, { recursive: true });
      const before = await readdir(folder);
      await write(indexFile(generation));
      await writeFile(entriesFile(generation), entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
      const beside = `${manifestFile}.${generation}`;
      await writeFile(beside, JSON.stringify({ ...made, generation } satisfies FaissManifest));
      await rename(beside, manifestFile);
      // A reader in another process that is at an older one reads the manifest again when its files are gone.
      for (const old of before)
        if (/^[0-9a-f-]{36}\./.test(old)) await rm(join(folder, old), { force: true });
    },
  };
}
