import { createHash } from 'node:crypto';
import { decodeEmbedding, encodeEmbedding } from '../cache/codec.js';
import type { EmbeddingCache } from '../cache/memory.js';
import { KindredError } from '../errors.js';
import { SPAN, type Telemetry, withSpan } from '../telemetry.js';
import { leftAlready, openCall } from './call.js';
import type { EmbedOptions, EmbedOutcome, EmbedPurpose, Embedder, Embedding } from './embedder.js';
import { normaliseText } from './text.js';

/** Time that a lookup may take, in ms; a slower cache is a miss. */
const LOOKUP_MS = 50;

export interface CachedOptions {
  readonly inner: Embedder;
  /** Without one, texts are only checked, normalised and computed once while in flight. */
  readonly cache?: EmbeddingCache;
  readonly limits: { readonly textBytes: number };
  readonly telemetry: Telemetry;
}

/** A text on its way, for all callers that want it. */
interface Flight {
  /** Rejects when the inner embedder refuses the whole call. */
  readonly outcome: Promise<EmbedOutcome>;
  readonly group: Group;
}

/** The flights that one call started: they share a lookup and one call of the inner embedder. */
interface Group {
  /** Claims of callers that are still there. */
  claims: number;
  /** Drops the work that nobody claims any more. */
  readonly drop: () => void;
}

/** The top of an embedder: checks and normalises each text once, then answers from cache, from a flight, or from `inner`. */
export function createCachedEmbedder({ inner, cache, limits, telemetry }: CachedOptions): Embedder {
  const { model } = inner;
  const flights = new Map<string, Flight>();
  const count = (outcome: 'hit' | 'miss' | 'coalesced', lookups: number): void => {
    if (lookups > 0) telemetry.metrics.cacheLookups.add(lookups, { outcome, model: model.id });
  };

  /** Starts flights for texts by key. Signal and deadline of the caller that starts them stay outside: others may join. */
  function takeOff(fresh: ReadonlyMap<string, string>, { purpose, lane }: EmbedOptions): void {
    const keys = [...fresh.keys()];
    const abort = new AbortController();
    const answers = answer(keys, [...fresh.values()], { purpose, lane, signal: abort.signal });
    const land = (): void => {
      for (const key of keys) if (flights.get(key)?.group === group) flights.delete(key);
    };
    const drop = (): void => {
      // Nobody may join what is being dropped.
      land();
      abort.abort();
    };
    const group: Group = { claims: 0, drop };
    keys.forEach((key, index) => {
      const outcome = answers.then((outcomes) => outcomes[index] ?? missing());
      flights.set(key, { outcome, group });
    });
    answers.then(land, land);
  }

  async function answer(keys: string[], texts: string[], options: EmbedOptions): Promise<EmbedOutcome[]> {
    const outcomes: (EmbedOutcome | undefined)[] = await lookUp(keys);
    const misses = keys.flatMap((key, index) =>
      outcomes[index] ? [] : [{ key, index, text: texts[index] ?? '' }],
    );
    if (misses.length > 0) {
      const computed = await inner.embed(
        misses.map(({ text }) => text),
        options,
      );
      misses.forEach(({ index }, at) => (outcomes[index] = computed[at]));
      store(misses.map(({ key }, at) => [key, computed[at]]));
    }
    return outcomes.map((outcome) => outcome ?? missing());
  }

  /** What the cache has; a cache that fails or stalls has nothing. */
  async function lookUp(keys: string[]): Promise<(Embedding | undefined)[]> {
    if (!cache) return keys.map(() => undefined);
    const attributes = { 'kindred.model': model.id, 'kindred.lookups': keys.length };
    const found = await withSpan(telemetry, SPAN.cache, { attributes }, async (span) => {
      const values = await inTime(cache.getMany(keys));
      const embeddings = keys.map((_, index) => decodeEmbedding(values[index], model.dimension));
      span.setAttribute('kindred.hits', embeddings.filter(Boolean).length);
      return embeddings;
    }).catch(() => keys.map(() => undefined));
    const hits = found.filter(Boolean).length;
    count('hit', hits);
    count('miss', keys.length - hits);
    return found;
  }

  /** Nobody waits until the cache has taken what was computed, and no request fails when it does not. */
  function store(computed: [string, EmbedOutcome | undefined][]): void {
    const entries = computed.flatMap(([key, outcome]) =>
      outcome && !(outcome instanceof KindredError) ? [{ key, value: encodeEmbedding(outcome) }] : [],
    );
    if (cache && entries.length > 0) void ignoreFailure(() => cache.setMany(entries));
  }

  /** The flight of each text, started where there is none; or the error of a text that can't be embedded. */
  function board(texts: readonly string[], options: EmbedOptions): (Flight | KindredError)[] {
    const fresh = new Map<string, string>();
    const keys = texts.map((raw) => {
      const text = normaliseText(raw, limits);
      if (typeof text !== 'string') return text;
      const key = keyOf(model.digest, options.purpose, text);
      if (!flights.has(key)) fresh.set(key, text);
      return key;
    });
    if (fresh.size > 0) takeOff(fresh, options);
    count('coalesced', keys.filter((key) => typeof key === 'string').length - fresh.size);
    return keys.map((key) => (typeof key === 'string' ? (flights.get(key) ?? missing()) : key));
  }

  return {
    model,
    embed: async (texts, options) => {
      const left = leftAlready(options);
      if (left) return texts.map(() => left);
      const boarded = board(texts, options);
      const groups = boarded.flatMap((flight) => (flight instanceof KindredError ? [] : [flight.group]));
      for (const group of groups) group.claims += 1;
      const { outcomes, settle, refuse } = openCall(texts.length, options, () => {
        for (const group of groups) if (--group.claims === 0) group.drop();
      });
      boarded.forEach((flight, index) => {
        if (flight instanceof KindredError) settle(index, flight);
        else {
          flight.outcome.then((outcome) => {
            settle(index, outcome);
          }, refuse);
        }
      });
      return outcomes;
    },
    health: () => inner.health(),
    close: () => inner.close(),
  };
}

/** The cache's key of a text: never an alias of the model, never the text itself. */
function keyOf(digest: string, purpose: EmbedPurpose, text: string): string {
  return `${digest}:${purpose}:${createHash('sha256').update(text).digest('base64url')}`;
}

/** An inner embedder that answers too few texts has a bug; its callers still get an answer. */
function missing(): KindredError {
  return new KindredError('INTERNAL_SERVER_ERROR', 'the embedder gave too few answers');
}

async function inTime<T>(lookup: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`the cache took longer than ${String(LOOKUP_MS)} ms`));
    }, LOOKUP_MS);
  });
  try {
    return await Promise.race([lookup, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function ignoreFailure(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch {
    // The next lookup is a miss; that is all.
  }
}
