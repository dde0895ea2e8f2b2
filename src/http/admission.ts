import { context } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Config } from '../config.js';
import { ERROR_TABLE, KindredError, overloaded } from '../errors.js';
import type { App } from './app.js';
import { startDeadline } from './deadline.js';
import type { RequestFacts } from './scope.js';

export interface AdmissionOptions {
  readonly config: Pick<Config['server'], 'maxInFlight' | 'deadlineMs'>;
  readonly observation: App['observation'];
  /** Reads whose request it is, and whether it is an admin's. */
  readonly identify: (request: FastifyRequest) => Pick<RequestFacts, 'subject' | 'admin'>;
  /** Told of each request that had an answer other than a refusal for overload. */
  readonly onAnswered: () => void;
}

/** A request that has taken its place. */
export interface Admitted {
  readonly facts: RequestFacts;
  /** Runs `work` in the request's trace, once; rejects with what ended the request when the work does not end by itself. */
  readonly run: <T>(work: () => Promise<T>) => Promise<T>;
}

/** The places for requests that compute, shared by all routes that do. */
export interface Admission {
  /** Requests being answered. */
  readonly inFlight: number;
  /** Refuses a request before its body is read when there is no place: refusing has to be cheap. */
  readonly guard: onRequestHookHandler;
  /** Takes a place until the answer is out or the client has gone. Throws OVERLOADED when there is none. */
  enter(request: FastifyRequest, reply: FastifyReply): Admitted;
  /** Ends all requests with `error`. */
  abortAll(error: KindredError): void;
}

/** Makes the places: at most `maxInFlight` requests, each with a deadline, and cancelled when its client goes away. */
export function createAdmission({ config, observation, identify, onAnswered }: AdmissionOptions): Admission {
  const inFlight = new Set<(error: KindredError) => void>();

  const check = (): void => {
    if (inFlight.size < config.maxInFlight) return;
    throw overloaded('The server is answering as many requests as it can.', 1_000);
  };

  return {
    get inFlight() {
      return inFlight.size;
    },
    guard: (_request, _reply, done) => {
      check();
      done();
    },
    enter(request, reply) {
      // Asked again after the body: only now does the request take a place.
      check();
      const seen = observation(request);
      const deadline = startDeadline(config.deadlineMs, request.headers);
      inFlight.add(deadline.abort);
      reply.raw.once('close', () => {
        inFlight.delete(deadline.abort);
        if (!reply.raw.writableFinished) {
          deadline.abort(new KindredError('REQUEST_CANCELLED', 'The client went away.'));
          return;
        }
        deadline.clear();
        if (reply.raw.statusCode !== ERROR_TABLE.OVERLOADED.status) onAnswered();
      });
      return {
        facts: {
          requestId: request.id,
          signal: deadline.signal,
          deadline: deadline.at,
          log: seen.log,
          ...identify(request),
        },
        run: (work) => deadline.limit(context.with(seen.context, work)),
      };
    },
    abortAll(error) {
      for (const abort of inFlight) abort(error);
    },
  };
}
