import { embeddingKey } from '../cache/key.js';
import type { EmbeddingCache } from '../cache/tiers.js';
import { KindredError } from '../errors.js';
import { createStop } from '../stop.js';
import { SPAN, type Telemetry, withSpan } from '../telemetry.js';
import { leftAlready, openCall } from './call.js';
import type { EmbedLane, EmbedOptions, EmbedOutcome, Embedder, Embedding } from './embedder.js';
import { normaliseText } from './text.js';

type Cache = Pick<EmbeddingCache, 'getMany' | 'setMany'>;

export interface CachedOptions {
  readonly inner: Embedder;
  /** Without one, texts are only checked, normalised and computed once while in flight. */
  readonly cache?: Cache;
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
  readonly lane: EmbedLane;
  /** Claims of callers that are still there. */
  claims: number;
  /** Drops the work that nobody claims any more. */
  readonly drop: () => void;
}

/** The top of an embedder: checks and normalises each text once, then answers from cache, from a flight, or from `inner`. */
export function createCachedEmbedder({ inner, cache, limits, telemetry }: CachedOptions): Embedder {
  const { model } = inner;
  const flights = new Map<string, Flight>();
  /** The cache counts what its tiers answer; those who share a flight ask none of them. */
  const countCoalesced = (lookups: number): void => {
    const attributes = { tier: 'flight', outcome: 'coalesced', model: model.id };
    if (lookups > 0) telemetry.metrics.cacheLookups.add(lookups, attributes);
  };

  /** Starts flights for texts by key. Signal and deadline of the caller that starts them stay outside: others may join. */
  function takeOff(
    fresh: ReadonlyMap<string, string>,
    { purpose, lane = 'interactive' }: EmbedOptions,
  ): void {
    const keys = [...fresh.keys()];
    const stop = createStop();
    const answers = answer(keys, [...fresh.values()], { purpose, lane, signal: stop.signal });
    let landed = false;
    const land = (): void => {
      landed = true;
      for (const key of keys) if (flights.get(key)?.group === group) flights.delete(key);
    };
    const drop = (): void => {
      if (landed) return;
      // Nobody may join what is being dropped.
      land();
      stop.abort();
    };
    const group: Group = { lane, claims: 0, drop };
    keys.forEach((key, index) => {
      const outcome = answers.then((outcomes) => outcomes[index] ?? missing());
      flights.set(key, { outcome, group });
    });
    answers.then(land, land);
  }

  async function answer(keys: string[], texts: string[], options: EmbedOptions): Promise<EmbedOutcome[]> {
    // An import's texts come once: kept, they would drive out what people ask often.
    const kept = options.lane === 'bulk' ? undefined : cache;
    const outcomes: (EmbedOutcome | undefined)[] = await lookUp(kept, keys);
    const misses = keys.flatMap((key, index) =>
      outcomes[index] ? [] : [{ key, index, text: texts[index] ?? '' }],
    );
    if (misses.length > 0) {
      const computed = await inner.embed(
        misses.map(({ text }) => text),
        options,
      );
      misses.forEach(({ index }, at) => (outcomes[index] = computed[at]));
      // Before the flight lands: who comes after it must find the embedding here.
      await store(
        kept,
        misses.map(({ key }, at) => [key, computed[at]]),
      );
    }
    return outcomes.map((outcome) => outcome ?? missing());
  }

  /** What the cache has; one that fails has nothing. */
  async function lookUp(kept: Cache | undefined, keys: string[]): Promise<(Embedding | undefined)[]> {
    if (!kept) return keys.map(() => undefined);
    const attributes = { 'kindred.model': model.id, 'kindred.lookups': keys.length };
    return withSpan(telemetry, SPAN.cache, { attributes }, async (span) => {
      const embeddings = await kept.getMany(keys, model);
      span.setAttribute('kindred.hits', embeddings.filter(Boolean).length);
      return embeddings;
    }).catch(() => keys.map(() => undefined));
  }

  /** Keeps what was computed, never a failure; no request fails when the cache does not take it. */
  async function store(
    kept: Cache | undefined,
    computed: [string, EmbedOutcome | undefined][],
  ): Promise<void> {
    const entries = computed.flatMap(([key, outcome]) =>
      outcome && !(outcome instanceof KindredError) ? [[key, outcome] as const] : [],
    );
    if (!kept || entries.length === 0) return;
    try {
      await kept.setMany(entries);
    } catch {
      // The next lookup is a miss; that is all.
    }
  }

  /** The flight of each text, started where there is none; or the error of a text that can't be embedded. */
  function board(texts: readonly string[], options: EmbedOptions): (Flight | KindredError)[] {
    const fresh = new Map<string, string>();
    const keys = texts.map((raw) => {
      const text = normaliseText(raw, limits);
      if (typeof text !== 'string') return text;
      const key = embeddingKey(model.digest, options.purpose, text);
      const flight = flights.get(key);
      // A bulk flight would be too slow for a request; further down, the text is computed once for both all the same.
      if (!flight || (flight.group.lane === 'bulk' && options.lane !== 'bulk')) fresh.set(key, text);
      return key;
    });
    if (fresh.size > 0) takeOff(fresh, options);
    countCoalesced(keys.filter((key) => typeof key === 'string').length - fresh.size);
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

/** An inner embedder that answers too few texts has a bug; its callers still get an answer. */
function missing(): KindredError {
  return new KindredError('INTERNAL_SERVER_ERROR', 'the embedder gave too few answers');
}
