import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';

const count = z.int().min(0);
const stateSchema = z.object({
  /** Index of the file and line of the last row that is done. */
  file: count,
  line: count,
  /** Rows read, good and bad. */
  read: count,
  rejected: count,
  /** Length of the dead-letter file. */
  rejectedBytes: count,
  versions: z.record(z.string(), z.object({ imported: count, unchanged: count, failed: count })),
  /** Time spent so far, over all runs. */
  seconds: z.number().min(0),
});
const checkpointSchema = z.object({
  format: z.literal(1),
  done: stateSchema,
  pending: stateSchema.nullable(),
});

/** How far an import is, and what it counted. */
export type ImportState = z.infer<typeof stateSchema>;

/**
 * What survives kill -9. `done` is durable in every target. `pending`, written before its batch is, tells a resumed import how that batch was
 * counted, since its rows may be unchanged by then.
 */
export type Checkpoint = Omit<z.infer<typeof checkpointSchema>, 'format'>;

/** The checkpoint at `path`, or null: an unreadable one costs nothing but time, as unchanged rows are skipped by their hash. */
export async function readCheckpoint(path: string): Promise<Checkpoint | null> {
  try {
    const parsed = checkpointSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Writes the checkpoint so that a reader sees the old or the new one, whatever happens in between. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.tmp`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(JSON.stringify({ format: 1, ...checkpoint }));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes a rename durable. Not every platform can open a folder; there the rename itself has to do. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    return;
  }
}
