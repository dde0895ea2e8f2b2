import type { Config } from '../config.js';
import type { Embedder } from '../embedding/embedder.js';
import { KindredError } from '../errors.js';
import type { ServedModel } from '../models/model-version.js';
import { type BackfillOptions, type BackfillProgress, type BackfillSummary, backfill } from './backfill.js';
import { patiently } from './patience.js';
import type { Rollout } from './rollout.js';
import { type Shard, shardName } from './shard.js';
import { type Comparison, describeComparison, isComplete } from './verify.js';

/** How often progress goes into the shared state, in ms. */
const NOTE_MS = 1_000;
/** How often a backfill is run again until it and the source agree: each run does what the one before missed. */
const PASSES = 5;

export interface FillOptions {
  readonly rollout: Rollout;
  readonly settings: Pick<Config['rollout']['backfill'], 'batchSize'>;
  /** Loads a model once more for a backfill, out of the way of requests; undefined where it has to share theirs. */
  readonly aside?: (model: ServedModel) => Promise<Embedder | undefined>;
  /** Whether requests wait for what a backfill uses. */
  readonly busy?: () => boolean;
  /** Share of its time that a backfill may be at work now, 0 to 1. */
  readonly share: () => number;
  /** Texts that it has at the embedder at once, where it shares that with requests. */
  readonly maxTexts: number;
}

/** From where to where a backfill goes, and how far. */
export interface FillRequest {
  readonly from: ServedModel;
  readonly to: ServedModel;
  readonly shard: Shard;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: BackfillProgress) => void;
  /** Compares the two as wholes. */
  readonly compare: () => Promise<Comparison>;
}

/** What embeds the items of a backfill. */
interface ItemEmbedder extends Pick<BackfillOptions, 'embedder' | 'maxTexts'> {
  readonly close: () => Promise<void>;
}

/**
 * Fills a version from another, again until it has what that one has; a shard is filled once, and compared by nobody. Progress goes into the shared
 * state. Rejects with what model, stores and state reject with after retries, and when the source changes faster than it is followed.
 */
export async function fill(request: FillRequest, options: FillOptions): Promise<BackfillSummary> {
  const { rollout, settings, busy, share } = options;
  const { from, to, shard, signal, onProgress, compare } = request;
  const { id } = to.version;
  const note = createNotes(rollout, id, shardName(shard));
  const { close, ...items } = await embedderOf(to, options);
  const once = (): Promise<BackfillSummary> =>
    backfill({
      ...items,
      batchSize: settings.batchSize,
      catalogue: to.catalogue,
      shard,
      share,
      signal,
      ...(busy !== undefined && { busy }),
      source: from.collection,
      target: to.collection,
      onProgress: (progress) => {
        void note(progress, false);
        onProgress?.(progress);
      },
    });
  try {
    for (let pass = 1; ; pass += 1) {
      const summary = await once();
      await patiently(signal, () => note(summary, summary.refused.length === 0));
      if (shard.count > 1 || summary.refused.length > 0) return summary;
      const comparison = await compare();
      if (isComplete(comparison)) return summary;
      if (pass === PASSES)
        throw new Error(
          `${id} does not come to an end, as the source changes too fast: ${describeComparison(comparison)}`,
        );
    }
  } finally {
    await close();
  }
}

/** The embedder for a version's items, and how many texts it may have at once. */
async function embedderOf(
  model: ServedModel,
  { aside, settings, maxTexts }: FillOptions,
): Promise<ItemEmbedder> {
  const { embedder } = model;
  const own = await aside?.(model);
  if (own === undefined) return { embedder, maxTexts, close: () => Promise.resolve() };
  const close = (): Promise<void> => own.close();
  if (own.model.digest === embedder.model.digest)
    return { embedder: own, maxTexts: settings.batchSize, close };
  await close();
  const { id } = model.version;
  throw new KindredError(
    'MODEL_VERSION_UNAVAILABLE',
    `the files of model version ${id} are others than those that were loaded: restart the gateway`,
  );
}

/** Notes progress in the shared state, now and then; the last one for certain. */
function createNotes(
  rollout: Rollout,
  id: string,
  shard: string,
): (progress: BackfillProgress, finished: boolean) => Promise<void> {
  let next = 0;
  return async ({ done, total, rate }, finished) => {
    const at = performance.now();
    if (!finished && at < next) return;
    next = at + NOTE_MS;
    const noted = rollout.noteProgress(id, shard, {
      done,
      total,
      rate,
      at: new Date().toISOString(),
      finished,
    });
    // A backfill does not end because nobody could be told how far it is.
    await noted.catch((error: unknown) => {
      if (finished) throw error;
    });
  };
}
