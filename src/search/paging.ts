import { badInput } from '../errors.js';
import type { Config } from '../config.js';
import type { ServedModel } from '../models/model-version.js';
import type { Hit, Projection } from '../vectors/store.js';
import { CURSOR_MARK_LENGTH, type Cursors, type Position, badCursor, createCursors } from './cursor.js';
import { fingerprint } from './fingerprint.js';
import { continued, openingFor, windowSizes } from './opening.js';
import type { Retrieval } from './retrieval.js';
import { type Window, type WindowAnswer, createWindows } from './window.js';

/** Which page of the results, and by which version. */
export interface PageRequest {
  /** Hits on the page, 1 to `limits.pageSize`. */
  readonly first: number;
  /** Cursor of the hit before the page; absent for the first page. */
  readonly after?: string | null;
  /** Fields of the items that will be asked for, beside their keys; by default all. */
  readonly items?: Projection;
  /** A version id or alias. Without it the cursor's version answers, and without a cursor the traffic policy chooses. */
  readonly modelVersion?: string | null;
}

/** Where the time of a page went, in ms. `embed` and `search` are 0 for a window that was there already. */
export interface Timings {
  readonly embed: number;
  readonly search: number;
  readonly total: number;
}

/** A page of ranked hits. */
export interface ResultPage {
  readonly model: ServedModel;
  readonly hits: readonly Hit[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly took: Timings;
  /** Whether this request looked for the hits; otherwise some may be gone since. */
  readonly fresh: boolean;
  /** The cursor of the hit at `index` on this page. Made when asked for: an HMAC a hit is a visible part of a small answer. */
  cursor(index: number): string;
}

/** A query as paging sees it. */
interface PagedQuery {
  /** Names the query: everything that decides its hits, but for the version. */
  readonly fingerprint: string;
  /** The versions of the request. */
  readonly models: Retrieval['models'];
  readonly signal: AbortSignal;
  /** Whether the first hits of a window are those of a shorter one, but for what an approximate index does; otherwise none is shortened. */
  readonly grows: boolean;
  /** Fetches a window of `size` hits by `model`, with parameters that depend on nothing but the query and the size. */
  fetch(model: ServedModel, size: number): Promise<Window>;
}

/** Turns queries into pages that stay where they are. */
export interface Paging {
  /** Hits in a window. */
  readonly window: number;
  /**
   * Throws BAD_USER_INPUT (PAGE_SIZE, BAD_CURSOR) before anything is fetched, the errors of `models`, and those of `fetch`.
   */
  page(request: PageRequest, query: PagedQuery): Promise<ResultPage>;
}

export interface PagingOptions {
  readonly config: Pick<Config, 'search' | 'limits'>;
  /** The key that signs cursors. */
  readonly cursorSecret: string;
}

/**
 * Pages over one fixed window of hits a query, fetched once and kept briefly: an approximate index asked for 20 hits may rank otherwise
 * than one asked for 40, so pages cut from different searches would repeat and skip items. Most queries are asked for their first page alone, so
 * that comes from a short opening window, which stays the beginning of the longer ones that further pages are cut from.
 */
export function createPaging({ config, cursorSecret }: PagingOptions): Paging {
  const { window: size, openingWindow, windowTtlMs, windowCacheEntries } = config.search;
  const { pageSize } = config.limits;
  const cursors = createCursors(cursorSecret);
  const windows = createWindows({ maxEntries: windowCacheEntries, ttlMs: windowTtlMs });

  /** The shortest window that holds the hits before `end`, or the whole one; each begins with the one before it. */
  const windowUpTo = (
    end: number,
    opening: number,
    model: ServedModel,
    query: PagedQuery,
  ): Promise<WindowAnswer> => {
    const key = `${model.collection.spec.name}:${model.version.digest}:${query.fingerprint}`;
    const fetched = (limit: number): Promise<WindowAnswer> =>
      windows.get(`${key}:${limit}`, () => query.fetch(model, limit), query.signal);
    const sizes = query.grows ? windowSizes(opening, size) : [size];
    const upTo = (step: number): Promise<WindowAnswer> => {
      const limit = sizes[step] ?? size;
      if (step === 0) return fetched(limit);
      const grown = async (): Promise<Window> => {
        const [before, longer] = await Promise.all([upTo(step - 1), fetched(limit)]);
        return continued(before, longer);
      };
      return windows.get(`${key}:${opening}-${limit}`, grown, query.signal);
    };
    const enough = sizes.findIndex((limit) => end < limit);
    return upTo(enough === -1 ? sizes.length - 1 : enough);
  };

  return {
    window: size,
    page: async ({ first, after, modelVersion }, query) => {
      const started = performance.now();
      if (!Number.isInteger(first) || first < 1 || first > pageSize) {
        throw badInput(`expected first to be 1 to ${pageSize}, but got ${first}`, 'PAGE_SIZE');
      }
      const position = openCursor(cursors, after, query.fingerprint);
      const model = answerer(query.models, modelVersion ?? null, position);
      const mark = modelMark(model);
      const start = position === null ? 0 : position.rank + 1;
      const end = start + first;
      const opening = position?.opening ?? openingFor(first, openingWindow);
      const { window, computed } = await windowUpTo(end, opening, model, query);
      return {
        model,
        hits: window.hits.slice(start, end),
        hasNextPage: end < window.hits.length,
        hasPreviousPage: start > 0,
        took: {
          embed: computed ? window.embedMs : 0,
          search: computed ? window.searchMs : 0,
          total: performance.now() - started,
        },
        fresh: computed,
        cursor: (index) => {
          const { id: version } = model.version;
          return cursors.seal({
            version,
            mark,
            fingerprint: query.fingerprint,
            rank: start + index,
            opening,
          });
        },
      };
    },
  };
}

function openCursor(
  cursors: Cursors,
  after: string | null | undefined,
  fingerprint: string,
): Position | null {
  if (after === null || after === undefined) return null;
  const position = cursors.open(after);
  if (position.fingerprint !== fingerprint) {
    throw badCursor('expected a cursor of the same query and filter, but got one of another');
  }
  return position;
}

/** The version that answers: the one asked for, which must then be the cursor's, or the cursor's. */
function answerer(
  models: Retrieval['models'],
  reference: string | null,
  position: Position | null,
): ServedModel {
  if (position === null) return models.resolve(reference);
  const known = models.versions().some(({ id }) => id === position.version);
  if (!known) throw badCursor(`the model version of this cursor, ${position.version}, is gone`);
  const model = models.resolve(reference ?? position.version);
  if (model.version.id !== position.version || modelMark(model) !== position.mark) {
    throw badCursor(`expected a cursor of model version ${model.version.id}, but got one of another`);
  }
  return model;
}

/** What a cursor remembers of a model's files: pages must not go on in the vectors of others under the same id. */
function modelMark({ version }: ServedModel): string {
  return fingerprint(version.digest).slice(0, CURSOR_MARK_LENGTH);
}
