import type { Logger } from 'pino';
import type { Rollout } from './rollout.js';
import { type Actor, amend } from './state.js';

export type BackgroundKind = 'backfill' | 'verify' | 'gate' | 'upgrade';

/** Long steps that a gateway does beside its requests, one of a kind a version. */
export interface Background {
  /** Starts `work`, unless the same is under way. How it fails is logged and goes into the history. */
  start(
    kind: BackgroundKind,
    version: string,
    actor: Actor,
    work: (signal: AbortSignal) => Promise<unknown>,
  ): void;
  /** Ends all of it. */
  close(): Promise<void>;
}

/** Makes the place where a gateway's long steps run. */
export function createBackground({
  rollout,
  log,
}: {
  readonly rollout: Rollout;
  readonly log: Logger;
}): Background {
  const running = new Map<string, Promise<void>>();
  const closing = new AbortController();

  const tell = async (kind: string, version: string, actor: Actor, error: unknown): Promise<void> => {
    const reason = error instanceof Error ? error.message : String(error);
    log.error({ version, kind, reason }, 'a step of the rollout failed');
    const why = `${kind} failed: ${reason}`;
    await rollout.replica
      .change((state) =>
        amend(state, { version, action: `${kind}-failed`, who: actor.who, why, at: new Date() }, {}),
      )
      .catch(() => undefined);
  };

  return {
    start: (kind, version, actor, work) => {
      const key = `${kind}:${version}`;
      if (running.has(key)) return;
      const done = work(closing.signal)
        .then(() => {
          log.info({ version, kind }, 'a step of the rollout is done');
        })
        .catch((error: unknown) => (closing.signal.aborted ? undefined : tell(kind, version, actor, error)))
        .finally(() => running.delete(key));
      running.set(key, done);
    },
    close: async () => {
      closing.abort();
      await Promise.all(running.values());
    },
  };
}
