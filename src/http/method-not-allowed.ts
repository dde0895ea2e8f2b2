import type { FastifyInstance } from 'fastify';
import { requestFault } from './request-fault.js';

/** Answers 405 on `url` to all methods but `allowed`, which has a route of its own. */
export function refuseOtherMethods(app: FastifyInstance, url: string, allowed: 'GET' | 'POST'): void {
  app.route({
    url,
    method: app.supportedMethods.filter((method) => method !== allowed),
    // Before the body is read: nobody will look at it.
    onRequest: (_request, reply, done) => {
      void reply.header('allow', allowed);
      done(requestFault(405, `Only ${allowed} is allowed here.`));
    },
    handler: () => undefined,
  });
}
