import { KindredError } from '../errors.js';
import type { PageRequest, ResultPage } from '../search/paging.js';
import type { Retrieval } from '../search/retrieval.js';
import type { RequestOutcome } from './sliding-window.js';

/** Whatever answers pages: search, or recommend. */
export interface Pages<Request extends PageRequest> {
  page(request: Request, retrieval: Retrieval): Promise<ResultPage>;
}

export interface Watcher<Request extends PageRequest> {
  /** Told how a version did. */
  readonly note: (version: string, outcome: RequestOutcome) => void;
  /** Told of each answer that was looked for anew. */
  readonly onAnswer?: (request: Request, page: ResultPage, retrieval: Retrieval) => void;
}

/**
 * Watches how the versions do, and spares users the faults of one on trial: a request that was drawn for it and fails by a fault of ours is answered by
 * the stable version.
 */
export function watched<Request extends PageRequest>(
  inner: Pages<Request>,
  { note, onAnswer }: Watcher<Request>,
): Pages<Request> {
  const attempt: Pages<Request>['page'] = async (request, retrieval) => {
    const started = performance.now();
    try {
      const page = await inner.page(request, retrieval);
      const empty = page.hits.length === 0 && !page.hasPreviousPage;
      note(page.model.version.id, {
        failed: false,
        empty,
        // What was cached tells nothing about a version but how popular it is.
        ms: page.fresh ? performance.now() - started : null,
      });
      if (page.fresh) onAnswer?.(request, page, retrieval);
      return page;
    } catch (error) {
      const version = retrieval.models.chosen();
      if (version !== undefined && !namesVersion(request) && isFault(error))
        note(version, { failed: true, empty: false, ms: null });
      throw error;
    }
  };
  return {
    page: async (request, retrieval) => {
      try {
        return await attempt(request, retrieval);
      } catch (error) {
        const stays = namesVersion(request) || retrieval.signal.aborted || !isFault(error);
        if (stays || !retrieval.models.fallBack()) throw error;
        return attempt(request, retrieval);
      }
    },
  };
}

/** Whether a request says which version has to answer: by its name, or by a cursor of its answers. */
function namesVersion({ modelVersion, after }: PageRequest): boolean {
  return typeof modelVersion === 'string' || typeof after === 'string';
}

/** Whether an error is the server's, not the request's. */
function isFault(error: unknown): boolean {
  if (!(error instanceof KindredError)) return true;
  return error.code !== 'REQUEST_CANCELLED' && (error.status >= 500 || error.code === 'OVERLOADED');
}
