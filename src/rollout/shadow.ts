import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Config } from '../config.js';
import type { ResultPage } from '../search/paging.js';
import type { SearchRequest } from '../search/search.js';
import type { Telemetry } from '../telemetry.js';
import type { Replica } from './replica.js';
import { candidateOf, stableOf } from './state.js';
import { mean, overlapAt } from './statistics.js';

/** Hits compared at most. */
const COMPARED = 10;
/** Comparisons that the mean is taken of: the last ones. */
const KEPT = 1_000;

export interface ShadowOptions {
  readonly replica: Replica;
  readonly settings: Config['rollout']['shadow'];
  /** Answers a search by a version behind everybody's back: with less right to workers than any request has. */
  readonly run: (request: SearchRequest, version: string) => Promise<ResultPage>;
  /** Whether requests wait: then nothing is run beside them. */
  readonly busy: () => boolean;
  /** Told of each comparison: how much the answer of the version on trial has in common with the stable one's, 0 to 1. */
  readonly onCompared: (candidate: string, overlap: number) => void;
  readonly telemetry: Telemetry;
  readonly random?: () => number;
}

/** What the comparisons of this process came to. */
export interface ShadowFigures {
  readonly version: string;
  readonly compared: number;
  /** Mean over the last ones, 0 to 1. */
  readonly overlap: number;
}

/** Runs a share of the searches on the version on trial too, or on the stable one when the version on trial has answered. */
export interface Shadow {
  /** Takes an answer that is on its way out; never throws, and takes no time of the request. */
  offer(request: SearchRequest, page: ResultPage): void;
  /** Undefined while there are none. */
  figures(): ShadowFigures | undefined;
}

/** Makes the shadow of a process. */
export function createShadow(options: ShadowOptions): Shadow {
  const { replica, settings, run, busy, onCompared, telemetry, random = Math.random } = options;
  let version = '';
  let compared = 0;
  let overlaps: number[] = [];
  let inFlight = 0;

  const compare = async (request: SearchRequest, page: ResultPage, candidate: string): Promise<void> => {
    await nextTurn();
    const stable = stableOf(replica.state);
    const isCandidate = page.model.version.id === candidate;
    const other = await run(request, isCandidate ? stable : candidate);
    if (candidate !== candidateOf(replica.state)) return;
    const [its, stables] = isCandidate ? [page, other] : [other, page];
    const ids = ({ hits }: ResultPage): string[] => hits.map(({ id }) => id);
    const overlap = overlapAt(COMPARED, ids(its), ids(stables));
    if (candidate !== version) {
      version = candidate;
      [compared, overlaps] = [0, []];
    }
    compared += 1;
    overlaps.push(overlap);
    if (overlaps.length > KEPT) overlaps.shift();
    const labels = { version: candidate };
    telemetry.metrics.shadowOverlap.record(overlap, labels);
    const [first, second] = [its.hits[0]?.score, stables.hits[0]?.score];
    if (first !== undefined && second !== undefined)
      telemetry.metrics.shadowScoreShift.record(first - second, labels);
    telemetry.metrics.shadowDuration.record(its.took.total / 1000, { ...labels, of: 'candidate' });
    telemetry.metrics.shadowDuration.record(stables.took.total / 1000, { ...labels, of: 'stable' });
    onCompared(candidate, overlap);
  };

  return {
    offer: (request, page) => {
      const candidate = candidateOf(replica.state);
      if (candidate === null) return;
      const { id } = page.model.version;
      if (id !== candidate && id !== stableOf(replica.state)) return;
      // Later pages say nothing of how alike the first hits are.
      if (typeof request.after === 'string' || random() >= settings.share) return;
      if (inFlight >= settings.maxInFlight || busy()) {
        telemetry.metrics.shadowDropped.add(1, { version: candidate });
        return;
      }
      inFlight += 1;
      void compare(request, page, candidate)
        // How a version on trial fails is the guardrail's business once it has traffic.
        .catch(() => telemetry.metrics.shadowFailed.add(1, { version: candidate }))
        .finally(() => {
          inFlight -= 1;
        });
    },
    figures: () => (compared === 0 ? undefined : { version, compared, overlap: mean(overlaps) }),
  };
}
