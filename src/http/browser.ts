import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Page, renderGraphiQLPage } from './graphiql.js';

/** Answers browsers on `/graphql` with GraphiQL. */
export interface Browser {
  /** Whether `request` is a browser's visit, not an operation. */
  visits(request: FastifyRequest): boolean;
  send(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>;
}

/** Adds the routes for browsers: `/` leads to `/graphql`, and there is no icon. */
export function addBrowserRoutes(app: FastifyInstance): Browser {
  let page: Promise<Page> | undefined;
  app.get('/', (_request, reply) => reply.redirect('/graphql', 302));
  app.get('/favicon.ico', (_request, reply) => reply.code(204).send());
  return {
    visits: ({ method, headers, url }) =>
      method === 'GET' && !url.includes('?') && (headers.accept ?? '').includes('text/html'),
    async send(request, reply) {
      page ??= renderGraphiQLPage();
      const { html, gzipped, headers } = await page;
      void reply.headers(headers);
      const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding']));
      if (zipped) void reply.header('content-encoding', 'gzip');
      return reply.send(zipped ? gzipped : html);
    },
  };
}
