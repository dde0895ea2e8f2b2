import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Context, SpanKind, context } from '@opentelemetry/api';
import { availableCores } from '../cores.js';
import { KindredError, throwIfAborted } from '../errors.js';
import { SPAN, type Telemetry, withSpan } from '../telemetry.js';
import { abortable } from './abortable.js';
import type { Filter } from './filter.js';
import { mergedReads } from './merged-reads.js';
import { checkQueries } from './records.js';
import { sharedSpan } from './shared-span.js';
import type { Collection, Hit, Projection, SearchOptions, VectorStore } from './store.js';

/** One caller's search, waiting for its call. */
interface Member {
  readonly queries: readonly Float32Array[];
  readonly signal: AbortSignal | undefined;
  /** Where its span stands. */
  readonly caller: Context;
  readonly resolve: (results: Hit[][]) => void;
  readonly reject: (error: unknown) => void;
}

/** Searches of one shape: same filter, limit, and fields of items. */
interface Lane {
  readonly items: Projection;
  readonly filter: Filter | undefined;
  readonly limit: number;
  inFlight: number;
  waiting: Member[];
}

/**
 * Merges concurrent searches of the same shape, and concurrent reads by id, into one call of the store, which is what makes a search cheap
 * under load (1.5 instead of 3.5 ms of CPU). An idle collection starts at once; while a call runs, searches of its shape gather for the next
 * one. A caller that gives up leaves, and one whose queries make a call fail does not fail the others. `inFlight` calls of a shape may run
 * at once: a merged call keeps about one core busy, and the models need theirs.
 */
export function coalesced(
  collection: Collection,
  telemetry: Telemetry,
  store: Pick<VectorStore, 'name' | 'capabilities'>,
  inFlight: number = Math.max(1, Math.floor(availableCores() / 2)),
): Collection {
  const lanes = new Map<string, Lane>();
  const { maxQueries } = store.capabilities;
  const attributes = { 'db.system.name': store.name, 'db.collection.name': collection.spec.name };

  const call = (members: readonly Member[], lane: Lane): Promise<Hit[][]> => {
    const queries = members.flatMap((member) => member.queries);
    return withSpan(
      telemetry,
      SPAN.vectorSearch,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          ...attributes,
          'db.operation.name': 'search',
          'db.operation.batch.size': queries.length,
        },
        ...sharedSpan(members.map(({ caller }) => caller)),
      },
      async () => {
        const start = performance.now();
        const alive = anyAlive(members);
        try {
          const { limit, filter, items } = lane;
          return await collection.search(queries, { limit, filter, items, signal: alive.signal });
        } finally {
          alive.release();
          const labels = { 'db.collection.name': collection.spec.name };
          telemetry.metrics.vectorSearchDuration.record((performance.now() - start) / 1000, labels);
          telemetry.metrics.vectorSearchQueries.record(queries.length, labels);
        }
      },
    );
  };

  const serve = async (members: readonly Member[], lane: Lane): Promise<void> => {
    try {
      // Not awaited: the next call starts while the results are handed out.
      void deliver(members, await call(members, lane));
    } catch (error) {
      // One of several may be at fault: each gets its own call and its own error. A store that is away is asked once.
      const away = error instanceof KindredError && error.retry;
      if (members.length > 1 && !away) await Promise.all(members.map((member) => serve([member], lane)));
      else for (const { reject } of members) reject(error);
    }
  };

  const pump = (key: string, lane: Lane): void => {
    while (lane.inFlight < inFlight && lane.waiting.length > 0) {
      const members = takeMembers(lane, maxQueries);
      if (members.length === 0) break;
      lane.inFlight += 1;
      void serve(members, lane).finally(() => {
        lane.inFlight -= 1;
        pump(key, lane);
      });
    }
    if (lane.inFlight === 0 && lane.waiting.length === 0) lanes.delete(key);
  };

  const search = async (
    queries: readonly Float32Array[],
    { limit, filter, items = [], signal }: SearchOptions,
  ): Promise<Hit[][]> => {
    throwIfAborted(signal);
    checkQueries(queries, limit, collection.spec, maxQueries);
    if (queries.length === 0) return [];
    const key = shapeOf(limit, items, filter);
    const lane = lanes.get(key) ?? { filter, limit, items, inFlight: 0, waiting: [] };
    lanes.set(key, lane);
    const result = new Promise<Hit[][]>((resolve, reject) => {
      lane.waiting.push({ queries, signal, caller: context.active(), resolve, reject });
    });
    pump(key, lane);
    return abortable(result, signal);
  };

  /** Searches by words are not merged: no store takes several in a call. */
  const searchText: Collection['searchText'] = (query, options) =>
    withSpan(
      telemetry,
      SPAN.vectorSearch,
      { kind: SpanKind.CLIENT, attributes: { ...attributes, 'db.operation.name': 'search_text' } },
      () => collection.searchText(query, options),
    );

  const reads = <T>(
    read: (ids: readonly string[], projection: Projection) => Promise<(T | null)[]>,
  ): ReturnType<typeof mergedReads<T>> =>
    mergedReads(
      (ids, projection, callers) =>
        withSpan(
          telemetry,
          SPAN.vectorFetch,
          {
            kind: SpanKind.CLIENT,
            attributes: {
              ...attributes,
              'db.operation.name': 'fetch',
              'db.operation.batch.size': ids.length,
            },
            ...sharedSpan(callers),
          },
          () => read(ids, projection),
        ),
      inFlight,
    );

  return {
    ...collection,
    fetch: reads((ids, projection) => collection.fetch(ids, projection)),
    vectors: reads((ids) => collection.vectors(ids)),
    search,
    searchText,
  };
}

/**
 * Hands each member its slice, one a turn of the event loop: what they all do next (ranking, GraphQL, JSON) would block it for some ten
 * milliseconds when it came in one go.
 */
async function deliver(members: readonly Member[], results: readonly Hit[][]): Promise<void> {
  let from = 0;
  for (const { queries, resolve } of members) {
    if (from > 0) await nextTurn();
    resolve(results.slice(from, from + queries.length));
    from += queries.length;
  }
}

/** A signal that aborts once every member has given up, and undefined while one of them can't. */
function anyAlive(members: readonly Member[]): { signal: AbortSignal | undefined; release: () => void } {
  const signals = members.flatMap(({ signal }) => (signal === undefined ? [] : [signal]));
  if (signals.length < members.length) return { signal: undefined, release: () => undefined };
  const controller = new AbortController();
  const onAbort = (): void => {
    if (signals.every(({ aborted }) => aborted)) controller.abort(signals[0]?.reason);
  };
  for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    release: () => {
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
    },
  };
}

/** Takes waiting members until their queries fill a call; those that have given up are dropped. */
function takeMembers(lane: Lane, maxQueries: number): Member[] {
  const members: Member[] = [];
  let queries = 0;
  while (lane.waiting.length > 0) {
    const [next] = lane.waiting;
    if (next === undefined || queries + next.queries.length > maxQueries) break;
    lane.waiting.shift();
    if (next.signal?.aborted === true) continue;
    members.push(next);
    queries += next.queries.length;
  }
  return members;
}

/** Equal for searches that one call can answer: JSON with sorted keys. */
function shapeOf(limit: number, items: Projection, filter: Filter | undefined): string {
  return JSON.stringify([limit, items, filter ?? null], (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
