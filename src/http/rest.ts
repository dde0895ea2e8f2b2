import type { FastifyInstance } from 'fastify';
import type { Config } from '../config.js';
import type { Admission } from './admission.js';
import { addEmbedRoute } from './embed-route.js';
import { type ServingModels, createEmbed } from './embeddings.js';
import { refuseOtherMethods } from './method-not-allowed.js';
import { addOpenAiModelRoutes } from './openai-models.js';
import { addOpenAiRoute } from './openai-route.js';
import { createOpenApi } from './openapi.js';

export interface RestOptions {
  readonly admission: Admission;
  readonly registry: ServingModels;
  readonly limits: Pick<Config['limits'], 'restInputs'>;
}

/** Adds the REST routes and the document that describes them. */
export function addRestRoutes(app: FastifyInstance, { admission, registry, limits }: RestOptions): void {
  const options = { admission, embed: createEmbed(registry), maxInputs: limits.restInputs };
  addEmbedRoute(app, options);
  addOpenAiRoute(app, options);
  addOpenAiModelRoutes(app, registry);
  const document = JSON.stringify(createOpenApi(limits));
  app.get('/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(document));
  refuseOtherMethods(app, '/openapi.json', 'GET');
}
