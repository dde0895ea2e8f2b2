import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { availableCores } from '../cores.js';

/**
 * Sets what LanceDB and FAISS read from the environment when they load, so it goes before the first import of it: a scratch folder of this process,
 * removed at exit, since every index build leaves files in the temporary folder (lance-format/lance#8992); no warnings on standard
 * error, as they are no lines of our log; and a core free of its threads, which compete with the main thread for it.
 */
export function tidyNativeStore(env: NodeJS.ProcessEnv = process.env): void {
  env.LANCEDB_LOG ??= 'error';
  const threads = String(Math.max(1, availableCores() - 1));
  env.TOKIO_WORKER_THREADS ??= threads;
  env.LANCE_CPU_THREADS ??= threads;
  // FAISS computes with OpenMP.
  env.OMP_NUM_THREADS ??= threads;
  const folder = mkdtempSync(join(tmpdir(), 'kindred-'));
  env.TMPDIR = folder;
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
}
