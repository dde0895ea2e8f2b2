import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type BundleSource, checkModel } from '../models/bundle-source.js';
import type { Rollout } from './rollout.js';

/** How often bundles are looked for, in ms. */
const LOOK_MS = 2_000;
/** Time before one that could not be loaded is looked at again, in ms: half of it may have been there. */
const AGAIN_MS = 30_000;

export interface WatchOptions {
  readonly rollout: Pick<Rollout, 'replica' | 'add'>;
  readonly bundles: BundleSource;
  readonly log: Pick<Logger, 'warn'>;
  readonly lookMs?: number;
}

/** Makes bundles that come up known as versions; what could not be loaded is told once, and looked at again every now and then. */
export function watchBundles({ rollout, bundles, log, lookMs = LOOK_MS }: WatchOptions): { close(): void } {
  const ended = new AbortController();
  /** When each that was refused is looked at again, in ms of `performance.now()`. */
  const refused = new Map<string, { readonly at: number; readonly reason: string }>();
  let away = '';

  const look = async (): Promise<void> => {
    for (const id of await bundles.list()) {
      if (rollout.replica.state.versions[id] !== undefined) continue;
      const before = refused.get(id);
      if (before !== undefined && performance.now() < before.at) continue;
      try {
        await checkModel(id, bundles);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (reason !== before?.reason)
          log.warn({ version: id, reason }, "what came up as a model version can't be loaded");
        refused.set(id, { at: performance.now() + AGAIN_MS, reason });
        continue;
      }
      refused.delete(id);
      await rollout.add(id, { who: 'kindred', why: 'its bundle came up' });
    }
  };
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const reason = await look().then(
        () => '',
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      if (reason !== away && reason !== '') log.warn({ reason }, "new model versions can't be looked for");
      away = reason;
      await sleep(lookMs, undefined, { ref: false, signal: ended.signal }).catch(() => undefined);
    }
  };
  void watch();
  return { close: () => ended.abort() };
}
