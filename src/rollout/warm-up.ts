import type { Logger } from 'pino';
import { sha256 } from '../catalogue/hash.js';
import type { Config } from '../config.js';
import { KindredError } from '../errors.js';
import type { ModelRegistry } from '../models/model-version.js';
import { createFrequent } from './frequent.js';
import type { Replica } from './replica.js';
import { candidateOf } from './state.js';

/** How often what came since is warmed, in ms. */
const ROUND_MS = 5_000;
/** Texts embedded at once: few, so that no request waits for long behind them. */
const CHUNK = 8;

export interface WarmUpOptions {
  readonly replica: Replica;
  readonly registry: Pick<ModelRegistry, 'served'>;
  readonly settings: Config['rollout']['warmUp'];
  /** Whether requests wait for what it uses: then it pauses. */
  readonly busy: () => boolean;
  readonly log: Logger;
}

/** Fills the cache of a version on trial with what people ask most, before it answers anybody. */
export interface WarmUp {
  /** Counts a query, normalised as the cache has it, and who asked it where tenants are told apart. */
  note(query: string, tenant?: string): void;
  /** Embeds what is frequent and not warmed yet; for tests, which don't wait. */
  round(): Promise<void>;
  close(): void;
}

/**
 * Counts the query texts of this process and embeds the most frequent ones with the version on trial, from its shadow on. With `hashed` no text is kept:
 * one that is frequent by its hash is embedded when it comes by again.
 */
export function createWarmUp({ replica, registry, settings, busy, log }: WarmUpOptions): WarmUp {
  const frequent = createFrequent(settings.texts, { perTenant: settings.tenantHeader !== null });
  /** Keys that the version on trial has by now, and texts that are due. */
  let warmed = new Set<string>();
  let version = '';
  const due = new Map<string, string>();
  let running: Promise<void> | undefined;

  const keyOf = (query: string): string => (settings.hashed ? sha256(query) : query);

  const embed = async (): Promise<void> => {
    const candidate = candidateOf(replica.state) ?? '';
    if (candidate !== version) {
      version = candidate;
      warmed = new Set();
      due.clear();
    }
    const model = registry.served().find((each) => each.version.id === candidate);
    if (model === undefined) return;
    if (!settings.hashed) for (const key of frequent.top()) if (!warmed.has(key)) due.set(key, key);
    const before = warmed.size;
    while (due.size > 0 && !busy()) {
      const chunk = [...due].slice(0, CHUNK);
      const outcomes = await model.embedder.embed(
        chunk.map(([, text]) => text),
        { purpose: 'query' },
      );
      chunk.forEach(([key], at) => {
        due.delete(key);
        const outcome = outcomes[at];
        if (!(outcome instanceof KindredError && outcome.retry)) warmed.add(key);
      });
    }
    if (warmed.size > before)
      log.info({ version: candidate, texts: warmed.size }, 'cache warmed for the version on trial');
  };
  const round = (): Promise<void> =>
    (running ??= embed()
      .catch((error: unknown) => {
        log.warn({ version, err: error }, 'warming the cache failed; it is tried again');
      })
      .finally(() => {
        running = undefined;
      }));

  const timer = setInterval(() => void round(), ROUND_MS);
  timer.unref();
  return {
    note: (query, tenant) => {
      if (settings.texts === 0) return;
      const key = keyOf(query);
      if (settings.hashed && frequent.has(key, tenant) && !warmed.has(key) && due.size < settings.texts)
        due.set(key, query);
      frequent.add(key, tenant);
    },
    round,
    close: () => clearInterval(timer),
  };
}
