import type { Logger } from 'pino';
import type { Loaders } from '../loaders/index.js';
import type { Config } from '../src/config.js';
import type { AdminAccess } from '../src/rollout/access.js';
import type { Recommend } from '../src/search/recommend.js';
import type { Background } from '../src/rollout/background.js';
import type { Jobs } from '../src/rollout/jobs.js';
import type { Rollout } from '../src/rollout/rollout.js';
import type { UpgradeOptions } from '../src/rollout/upgrade.js';
import type { RequestModels, TrafficSubject } from '../src/rollout/traffic.js';
import type { Search } from '../src/search/search.js';

/** What one GraphQL request carries to its resolvers. */
export interface RequestContext {
  readonly requestId: string;
  /** Whose request it is. */
  readonly subject: TrafficSubject;
  readonly admin: AdminAccess;
  /** Aborted when the client has gone or the deadline has passed. */
  readonly signal: AbortSignal;
  /** When the answer is worthless, in ms of `performance.now()`. */
  readonly deadline: number;
  readonly loaders: Loaders;
  readonly search: Search;
  readonly recommend: Recommend;
  /** The versions, as this request has them. */
  readonly models: RequestModels;
  /** The steps between versions, the long ones, and the place where those run. */
  readonly rollout: Rollout;
  readonly jobs: Jobs;
  readonly background: Background;
  /** Takes a version all the way. */
  readonly upgrade: (
    id: string,
    options: Pick<UpgradeOptions, 'actor' | 'pairs' | 'signal'>,
  ) => Promise<void>;
  readonly limits: Config['limits'];
  readonly log: Logger;
}
