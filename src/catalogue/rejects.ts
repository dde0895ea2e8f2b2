import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Characters of a rejected row that its entry keeps. */
const MAX_RAW = 2_000;

/** A row that was not imported, as the dead-letter file has it, one JSON object a line. */
export interface Reject {
  readonly file: string;
  readonly line: number;
  /** The row's key, when that can be read. */
  readonly id?: string;
  /** Everything that is wrong with it. */
  readonly reasons: readonly string[];
  /** Its text as the file has it, cut to 2,000 characters. */
  readonly row: string;
}

/** The dead-letter file of an import. */
export interface Rejects {
  /** Adds entries, on disk when it resolves; answers the file's size in bytes. */
  append(entries: readonly Reject[]): Promise<number>;
  close(): Promise<void>;
}

/** Opens the dead-letter file with its first `keepBytes`: what an interrupted import wrote later is written again. It is made with the first entry. */
export async function openRejects(path: string, keepBytes: number): Promise<Rejects> {
  let handle: FileHandle | undefined;
  let size = 0;
  if (keepBytes > 0) {
    handle = await open(path, 'a+');
    // Somebody may have emptied it meanwhile: truncating must not make it longer.
    size = Math.min(keepBytes, (await handle.stat()).size);
    await handle.truncate(size);
  } else await rm(path, { force: true });

  return {
    append: async (entries) => {
      if (entries.length === 0) return size;
      if (handle === undefined) {
        await mkdir(dirname(path), { recursive: true });
        handle = await open(path, 'a');
      }
      const bytes = Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
      await handle.appendFile(bytes);
      await handle.datasync();
      size += bytes.length;
      return size;
    },
    close: async () => {
      await handle?.close();
    },
  };
}

/** The beginning of a row's text, as a string of its own: a slice would keep the whole in memory. */
export function cutRaw(text: string): string {
  return text.length <= MAX_RAW ? text : Buffer.from(text.slice(0, MAX_RAW)).toString();
}
