/** What a command is told by SIGINT and SIGTERM. */
export interface Interruption {
  /** Aborted at the first of them. */
  readonly signal: AbortSignal;
  /** Resolves at the first of them. */
  readonly happened: Promise<void>;
  /** The exit code of a command that it cut short; undefined while none came. */
  code(): number | undefined;
}

/** Listens from here on. The first signal asks for an end in good order, the second one ends the process at once. */
export function onInterrupt(): Interruption {
  const stop = new AbortController();
  let code: number | undefined;
  const happened = new Promise<void>((resolve) => {
    for (const [signal, exit] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.on(signal, () => {
        if (stop.signal.aborted) process.exit(exit);
        code = exit;
        stop.abort();
        resolve();
      });
    }
  });
  return { signal: stop.signal, happened, code: () => code };
}
