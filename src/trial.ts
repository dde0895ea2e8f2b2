import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { Config } from './config.js';
import type { BundleSource } from './models/bundle-source.js';
import type { ModelRegistry } from './models/model-version.js';
import { watchBundles } from './rollout/watch.js';
import { type Guardrail, createGuardrail } from './rollout/guardrail.js';
import type { Rollout } from './rollout/rollout.js';
import { type ShadowFigures, type ShadowOptions, createShadow } from './rollout/shadow.js';
import { isOver } from './rollout/standing.js';
import { type RolloutState, stableOf } from './rollout/state.js';
import { type TrafficSubject, type RequestModels, chooseVersion, modelsOf } from './rollout/traffic.js';
import { createWarmUp } from './rollout/warm-up.js';
import { type Pages, watched } from './rollout/watched.js';
import type { Recommend } from './search/recommend.js';
import type { Search, SearchRequest } from './search/search.js';
import type { Telemetry } from './telemetry.js';

/** How often the chores of a rollout are looked after, in ms. */
const CHORES_MS = 2_000;

export interface TrialOptions {
  readonly rollout: Rollout;
  readonly registry: ModelRegistry;
  readonly config: Pick<Config, 'rollout' | 'models' | 'server'>;
  readonly telemetry: Telemetry;
  readonly log: Logger;
  readonly search: Search;
  readonly recommend: Recommend;
  readonly runShadow: ShadowOptions['run'];
  /** Whether requests wait: then nothing is done beside them. */
  readonly busy: () => boolean;
  readonly bundles: BundleSource;
}

/** What a gateway does for the version on trial, around the requests that it answers anyway. */
export interface Trial {
  readonly search: Search;
  readonly recommend: Recommend;
  /** The versions for a request of `subject`. */
  modelsFor(subject: TrafficSubject): RequestModels;
  close(): void;
}

/** Puts traffic policy, guardrail, shadow and warm-up around search and recommend, and looks after what comes due by itself. */
export function openTrial(options: TrialOptions): Trial {
  const { rollout, registry, config, busy, telemetry, log } = options;
  const { replica } = rollout;
  const settings = config.rollout;
  const guardrail = createGuardrail({ rollout, settings: settings.guardrail, telemetry, log });
  const warmUp = createWarmUp({ replica, registry, settings: settings.warmUp, busy, log });
  const shadow = createShadow({
    replica,
    settings: settings.shadow,
    run: options.runShadow,
    busy,
    telemetry,
    onCompared: (candidate, overlap) => guardrail.noteOverlap(candidate, overlap),
  });
  const testers = new Set(settings.testers);
  const chores = createChores(options, () => shadow.figures());

  const note = (version: string, outcome: Parameters<Guardrail['note']>[1]): void =>
    guardrail.note(version, outcome);
  const search: Pages<SearchRequest> = watched(options.search, {
    note,
    onAnswer: (request, page, { models }) => {
      shadow.offer(request, page);
      if (page.model.version.state === 'stable') warmUp.note(request.query, models.tenant);
    },
  });
  return {
    search,
    recommend: watched(options.recommend, { note }),
    modelsFor: (subject) => ({
      ...modelsOf(
        registry,
        () => {
          const { state } = replica;
          const version = chooseVersion(state, subject, { testers });
          const named = subject.override !== undefined;
          return { version: !named && guardrail.tripped(version) ? stableOf(state) : version, named };
        },
        (version) => note(version, { failed: true, empty: false, ms: null }),
      ),
      tenant: subject.tenant,
    }),
    close: () => {
      guardrail.close();
      warmUp.close();
      chores.close();
    },
  };
}

/** What comes due by itself: sunsets, new bundles, and telling others what was compared. */
function createChores(
  { rollout, config, bundles, log }: TrialOptions,
  figures: () => ShadowFigures | undefined,
): { close(): void } {
  const name = `${hostname()}-${randomUUID().slice(0, 8)}`;
  let told = 0;

  const endSunsets = async (): Promise<void> => {
    for (const id of overdue(rollout.replica.state))
      await rollout.retire(id, { who: 'kindred', why: 'its sunset has come' });
  };
  const tellFigures = async (): Promise<void> => {
    const now = figures();
    if (
      now === undefined ||
      now.compared === told ||
      rollout.replica.state.versions[now.version] === undefined
    )
      return;
    const { version, compared, overlap } = now;
    await rollout.noteTrial(version, name, { at: new Date().toISOString(), compared, overlap });
    told = compared;
  };
  const watcher = config.rollout.watch ? watchBundles({ rollout, bundles, log }) : undefined;
  const all = async (): Promise<void> => {
    for (const chore of [endSunsets, tellFigures])
      await chore().catch((error: unknown) => {
        log.debug({ err: error }, 'a chore of the rollout has to wait');
      });
  };
  const timer = setInterval(() => void all(), CHORES_MS);
  timer.unref();
  return {
    close: () => {
      clearInterval(timer);
      watcher?.close();
    },
  };
}

/** Retiring versions whose sunset has come. */
function overdue(state: RolloutState): string[] {
  return Object.keys(state.versions).filter((id) => isOver(state, id));
}
