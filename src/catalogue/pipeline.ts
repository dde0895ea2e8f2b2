export interface PipelineOptions<B, W> {
  readonly batches: AsyncIterable<B>;
  /** Begins the work on a batch; `signal` aborts when nobody wants it any more. */
  readonly start: (batch: B, signal: AbortSignal) => Promise<W>;
  /** Makes a batch's work durable; called in the order of the batches, one at a time. */
  readonly commit: (work: W) => Promise<void>;
  /** Batches under way at once, the one being committed included. */
  readonly depth: number;
  /** Aborting ends it after the oldest batch under way; the others are dropped. */
  readonly signal: AbortSignal;
}

interface Started<W> {
  readonly work: Promise<W>;
  readonly stop: AbortController;
}

/**
 * Works on several batches at once and commits them in order: while one is written the next are computed and the one after them is read.
 * When the source fails, what was read before is committed, then its error is thrown.
 */
export async function runPipeline<B, W>({
  batches,
  start,
  commit,
  depth,
  signal,
}: PipelineOptions<B, W>): Promise<void> {
  const queue: Started<W>[] = [];
  let committing = false;
  const drop = (dropped: readonly Started<W>[]): void => {
    for (const { stop } of dropped) stop.abort();
  };
  const onAbort = (): void => drop(committing ? queue : queue.slice(1));
  const commitNext = async (): Promise<void> => {
    const head = queue.shift();
    if (head === undefined) return;
    committing = true;
    try {
      await commit(await head.work);
    } finally {
      committing = false;
    }
  };
  const aborted = (): boolean => signal.aborted;

  const iterator = batches[Symbol.asyncIterator]();
  signal.addEventListener('abort', onAbort);
  try {
    let failure: { readonly error: unknown } | undefined;
    while (!aborted()) {
      const next = await iterator.next().catch((error: unknown) => {
        failure = { error };
        return undefined;
      });
      if (next === undefined || next.done === true) break;
      const stop = new AbortController();
      const work = start(next.value, stop.signal);
      // It is awaited when its turn comes; until then nobody listens.
      work.catch(() => undefined);
      queue.push({ work, stop });
      if (queue.length >= depth) await commitNext();
    }
    const [head] = queue;
    if (aborted() && head?.stop.signal.aborted === false) await commitNext();
    while (!aborted() && queue.length > 0) await commitNext();
    if (failure !== undefined) throw failure.error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    drop(queue);
    await iterator.return?.();
  }
}
