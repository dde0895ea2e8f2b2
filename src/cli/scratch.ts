import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Gives this process a scratch folder of its own and removes it at exit: LanceDB leaves the scratch files of every index build in the
 * temporary folder (lance-format/lance#8992), which would fill it import by import. Also keeps LanceDB's warnings, which are no lines of
 * our log, off standard error, and a core free of its threads, which compete with
 * the main thread for it.
 */
export function tidyNativeStore(env: NodeJS.ProcessEnv = process.env): void {
  env.LANCEDB_LOG ??= 'error';
  env.TOKIO_WORKER_THREADS ??= String(Math.max(1, availableParallelism() - 1));
  const folder = mkdtempSync(join(tmpdir(), 'kindred-'));
  env.TMPDIR = folder;
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
}
