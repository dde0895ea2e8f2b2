import type { Logger } from 'pino';
import type { Loaders } from '../loaders/index.js';
import type { Config } from '../src/config.js';
import type { ModelRegistry } from '../src/models/model-version.js';
import type { Recommend } from '../src/search/recommend.js';
import type { Search } from '../src/search/search.js';

/** What one GraphQL request carries to its resolvers. */
export interface RequestContext {
  readonly requestId: string;
  /** Aborted when the client has gone or the deadline has passed. */
  readonly signal: AbortSignal;
  /** When the answer is worthless, in ms of `performance.now()`. */
  readonly deadline: number;
  readonly loaders: Loaders;
  readonly search: Search;
  readonly recommend: Recommend;
  readonly registry: ModelRegistry;
  readonly limits: Config['limits'];
  readonly log: Logger;
}
