import { setTimeout as sleep } from 'node:timers/promises';
import { createBulkEmbedder } from '../catalogue/bulk-embed.js';
import { type Catalogue, requiredFields } from '../catalogue/catalogue.js';
import { createLedger } from '../catalogue/ledger.js';
import { BULK_RETRY, withRetry } from '../catalogue/retry.js';
import type { EmbedOutcome, Embedder } from '../embedding/embedder.js';
import { KindredError, throwIfAborted } from '../errors.js';
import type { Collection, VectorRecord } from '../vectors/store.js';
import { type Expected, expectedOf } from './expected.js';
import { type Shard, isInShard } from './shard.js';

/** How often an item that changes while it is being written is made anew. */
const CHASES = 5;
/** Pause of a backfill while requests wait, in ms. */
const YIELD_MS = 20;
/** Time after which an item that came to both sides at once is seen in the source, in ms: above `store.refreshMs`. */
const SETTLE_MS = 1_500;
/** Texts between two rests: what is embedded slows down what runs beside it, even at the least priority. */
const PIECE_TEXTS = 4;
/** Longest pause between two pieces of work, in ms. */
const MAX_REST_MS = 5_000;
/** Estimated tokens that wait at the embedder at once. */
const MAX_WAITING_TOKENS = 32_768;

/** Where a backfill stands, in items of its shard. */
export interface BackfillProgress {
  /** Items that the version has by now, and estimate of all. */
  readonly done: number;
  readonly total: number;
  /** Items embedded in this run; the others were there. */
  readonly embedded: number;
  /** Items a second, embedded or found to be there, over this run. */
  readonly rate: number;
}

export interface BackfillSummary extends BackfillProgress {
  /** Items that were taken out since the source does not have them. */
  readonly removed: number;
  /** Keys of items that the model refused, or that lack what the version's catalogue requires, each with the reason; they are missing. */
  readonly refused: readonly { readonly id: string; readonly reason: string }[];
  readonly seconds: number;
}

export interface BackfillOptions {
  readonly catalogue: Catalogue;
  /** The stable version's collection: the source of record. */
  readonly source: Collection;
  readonly target: Collection;
  readonly embedder: Embedder;
  readonly shard: Shard;
  readonly batchSize: number;
  /** Texts that are at the embedder at once: a request that comes behind them waits for them. */
  readonly maxTexts: number;
  /** Share of its time that it may be at work now; 1 for all of it. */
  readonly share: () => number;
  /** Whether requests wait for what it uses: then it pauses. */
  readonly busy?: () => boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: BackfillProgress) => void;
}

/**
 * Embeds every item of the source into the target that is not there from the same content, and takes out what the source no longer has. Killed at any
 * time and started again it does what is left, by the hashes. An item that is changed or deleted meanwhile is made again after it was written, so
 * that the version ends with what the source has. Rejects with what stores and model reject with after retries, and with the signal's reason.
 */
export async function backfill(options: BackfillOptions): Promise<BackfillSummary> {
  const { catalogue, source, target, embedder, shard, batchSize, signal, onProgress } = options;
  const again = <T>(work: () => Promise<T>): Promise<T> => withRetry(BULK_RETRY, signal, work);
  const pace = createPace(options);
  const bulk = createBulkEmbedder(paced(embedder, pace, options.share), {
    maxTexts: options.maxTexts,
    maxTokens: MAX_WAITING_TOKENS,
    retry: BULK_RETRY,
    giveUp: signal,
  });
  const ledger = createLedger({ bulk, catalogue, collection: target, again });
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const total = Math.ceil((await again(() => source.count())) / shard.count);
  const refused = new Map<string, string>();
  let [done, embedded, removed] = [0, 0, 0];
  const progress = (): BackfillProgress => ({
    done,
    embedded,
    total: Math.max(total, done),
    rate: done / Math.max(0.001, seconds()),
  });

  const write = async (all: readonly Expected[]): Promise<void> => {
    const wanted = all.filter(({ item }) => {
      const missing = requiredFields(catalogue).find((name) => (item.fields[name] ?? null) === null);
      if (missing !== undefined)
        refused.set(item.id, `it has no ${missing}, which its catalogue requires: import it again`);
      return missing === undefined;
    });
    const hashes = await again(() => target.hashes(wanted.map(({ item }) => item.id)));
    const outcomes = await ledger.embed(
      wanted.map(({ item, text }, at) => ({ id: item.id, text, known: hashes[at] ?? null })),
      signal,
    );
    const records: VectorRecord[] = [];
    wanted.forEach(({ item, hash }, at) => {
      const outcome = outcomes[at];
      if (outcome instanceof KindredError || outcome === undefined)
        refused.set(item.id, outcome?.message ?? 'the model gave no answer');
      else {
        refused.delete(item.id);
        records.push({ item, vector: outcome.vector, hash });
      }
    });
    if (records.length > 0) await again(() => target.upsert(records));
    embedded += records.length;
  };

  /** Writes items, and again those that were changed in the source while they were on their way. */
  const chase = async (first: readonly Expected[]): Promise<void> => {
    let wanted = first;
    for (let attempt = 1; wanted.length > 0 && attempt <= CHASES; attempt += 1) {
      await write(wanted);
      const written = wanted;
      const items = await again(() => source.fetch(written.map(({ item }) => item.id)));
      const gone = written.filter((_, at) => items[at] === null).map(({ item }) => item.id);
      if (gone.length > 0) removed += await again(() => target.delete(gone));
      for (const id of gone) refused.delete(id);
      wanted = written.flatMap(({ hash }, at) => {
        const item = items[at];
        if (item === null || item === undefined) return [];
        const now = expectedOf(catalogue, item);
        return now.hash === hash ? [] : [now];
      });
    }
  };

  const missingOf = async (ids: readonly string[]): Promise<string[]> => {
    const items = await again(() => source.fetch(ids));
    return ids.filter((_, at) => items[at] === null);
  };
  /** Takes out items that the source does not have. An import writes to both sides at once, so one that is new is looked for again. */
  const sweep = async (ids: readonly string[]): Promise<void> => {
    const suspects = await missingOf(ids);
    if (suspects.length === 0) return;
    await sleep(SETTLE_MS);
    const gone = await missingOf(suspects);
    if (gone.length === 0) return;
    removed += await again(() => target.delete(gone));
    const items = await again(() => source.fetch(gone));
    await chase(items.flatMap((item) => (item === null ? [] : [expectedOf(catalogue, item)])));
  };

  onProgress?.(progress());
  for await (const records of source.scan({ batch: batchSize, signal })) {
    const mine = records.filter(({ item }) => isInShard(item.id, shard));
    if (mine.length === 0) continue;
    await whenIdle(options);
    const expected = mine.map(({ item }) => expectedOf(catalogue, item));
    const known = await again(() => target.hashes(expected.map(({ item }) => item.id)));
    const missing = expected.filter(({ hash }, at) => known[at] !== hash);
    if (missing.length > 0) await pace.work(() => chase(missing));
    done += mine.length;
    onProgress?.(progress());
  }
  for await (const records of target.scan({ batch: batchSize, signal }))
    await sweep(records.map(({ item }) => item.id).filter((id) => isInShard(id, shard)));
  await again(() => target.optimize());
  return {
    ...progress(),
    removed,
    refused: Array.from(refused, ([id, reason]) => ({ id, reason })),
    seconds: seconds(),
  };
}

/** Waits while requests wait: they go first. */
async function whenIdle({ busy, signal }: BackfillOptions): Promise<void> {
  while (busy?.() === true) {
    throwIfAborted(signal);
    await sleep(YIELD_MS);
  }
}

/** Leaves the share of the time to others that is not the backfill's: small pieces of work, each with its rest, hold nobody up for long. */
interface Pace {
  /** Does a piece of work, and rests after it for what it took; what rested within it has had its rest. */
  work<T>(piece: () => Promise<T>): Promise<T>;
}

function createPace({ share: shareNow, signal }: BackfillOptions): Pace {
  /** Time that pieces of work took, rests included, in ms. */
  let accounted = 0;
  return {
    work: async (piece) => {
      const [began, before] = [performance.now(), accounted];
      const result = await piece();
      const within = accounted - before;
      const worked = Math.max(0, performance.now() - began - within);
      const share = Math.max(0.01, shareNow());
      const ms = Math.min(MAX_REST_MS, (worked * (1 - share)) / share);
      if (ms >= 1)
        await sleep(ms, undefined, { signal }).catch(() => {
          throwIfAborted(signal);
        });
      accounted = before + performance.now() - began;
      return result;
    },
  };
}

/** An embedder that keeps the pace: where there is to be rest, calls are cut into small pieces. */
function paced(embedder: Embedder, pace: Pace, share: () => number): Embedder {
  return {
    ...embedder,
    embed: async (texts, options) => {
      const outcomes: EmbedOutcome[] = [];
      while (outcomes.length < texts.length) {
        const piece = texts.slice(outcomes.length, share() < 1 ? outcomes.length + PIECE_TEXTS : undefined);
        outcomes.push(...(await pace.work(() => embedder.embed(piece, options))));
      }
      return outcomes;
    },
  };
}
