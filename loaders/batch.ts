import DataLoader from 'dataloader';
import type { EmbedLane } from '../src/embedding/embedder.js';
import type { ImageReader } from '../src/embedding/image/source.js';
import { throwIfAborted } from '../src/errors.js';
import type { RequestModels } from '../src/rollout/traffic.js';
import type { StoreCapabilities } from '../src/vectors/store.js';
import { SPAN, type Telemetry, withSpan } from '../src/telemetry.js';

/** What the loaders of one request are made of. */
export interface LoaderOptions {
  readonly models: RequestModels;
  readonly images: ImageReader;
  readonly telemetry: Telemetry;
  /** What the store takes in one call. */
  readonly capabilities: Pick<StoreCapabilities, 'maxQueries'>;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** When the answer is worthless, in ms of `performance.now()`. */
  readonly deadline: number;
  /** By default `interactive`. */
  readonly lane?: EmbedLane;
}

/** What {@link batchLoader} makes. */
export type BatchLoader<K, V> = DataLoader<K, { readonly value: V }, unknown>;

interface BatchSettings<K> {
  /** Keys of one call at most; by default any number. */
  readonly maxBatchSize?: number;
  /** What tells that two keys are the same; by default their identity. */
  readonly cacheKeyFn?: (key: K) => unknown;
}

/**
 * A batch function that makes its span, and is not run for a request that is over. Values are boxed: DataLoader would take an answer
 * that is an Error for a failed load.
 */
export function batchLoader<K, V>(
  name: string,
  { telemetry, signal }: Pick<LoaderOptions, 'telemetry' | 'signal'>,
  work: (keys: readonly K[]) => Promise<readonly V[]>,
  { maxBatchSize = Infinity, cacheKeyFn }: BatchSettings<K> = {},
): BatchLoader<K, V> {
  const load = (keys: readonly K[]): Promise<{ readonly value: V }[]> => {
    const attributes = { 'kindred.loader': name, 'kindred.loader.keys': keys.length };
    return withSpan(telemetry, SPAN.loader, { attributes }, async () => {
      throwIfAborted(signal);
      return (await work(keys)).map((value) => ({ value }));
    });
  };
  return new DataLoader(load, { maxBatchSize, cacheKeyFn });
}

/** One value a key, made when it is first asked for. */
export function keyed<V>(): (key: string, make: () => V) => V {
  const values = new Map<string, V>();
  return (key, make) => {
    const known = values.get(key);
    if (known !== undefined) return known;
    const value = make();
    values.set(key, value);
    return value;
  };
}
