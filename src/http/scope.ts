import type { HTTPGraphQLRequest } from '@apollo/server';
import type { Logger } from 'pino';
import type { TrafficSubject } from '../rollout/traffic.js';
import type { AdminAccess } from '../rollout/access.js';
import type { StopSignal } from '../stop.js';

/** What the work of a request may know of it. */
export interface RequestFacts {
  readonly requestId: string;
  /** Aborted when the client has gone, the deadline has passed, or the server stops. */
  readonly signal: StopSignal;
  /** When the answer is worthless, in ms of `performance.now()`. */
  readonly deadline: number;
  readonly log: Logger;
  /** Whose request it is. */
  readonly subject: TrafficSubject;
  readonly admin: AdminAccess;
}

/** What is known about a GraphQL request being answered. */
export interface RequestScope extends RequestFacts {
  /** Whether the request became an operation: its errors carry the request's id then. */
  started?: boolean;
  /** The operation's name as the client gave it, once it is known. */
  operationName?: string;
  /** Users' own text: only for the log, and only when `log.texts` is on. */
  texts?: { query: string | undefined; variables: unknown };
}

/**
 * Leads from the request that Apollo hands to its plugins back to the scope. AsyncLocalStorage would do the same for a tenth of a
 * small request's CPU on Node 20.
 */
export type Scopes = WeakMap<HTTPGraphQLRequest, RequestScope>;
