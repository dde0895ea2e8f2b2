import type { FastifyInstance } from 'fastify';
import { KindredError } from '../errors.js';
import type { ServingModels } from './embeddings.js';
import { refuseOtherMethods } from './method-not-allowed.js';
import type { OpenAiModel, OpenAiModelList } from './openai-schemas.js';
import { ParameterError } from './parse-body.js';

/** Adds `GET /v1/models` and `GET /v1/models/{model}`: the versions that can answer, as OpenAI's clients ask for them. */
export function addOpenAiModelRoutes(app: FastifyInstance, registry: ServingModels): void {
  app.get('/v1/models', (): OpenAiModelList => ({
    object: 'list',
    data: registry.served().map(({ version }) => shapeModel(version.id)),
  }));
  app.get<{ Params: { model: string } }>('/v1/models/:model', ({ params }): OpenAiModel => {
    try {
      return shapeModel(registry.resolve(params.model).version.id);
    } catch (error) {
      throw error instanceof KindredError ? new ParameterError(error, 'model') : error;
    }
  });
  refuseOtherMethods(app, '/v1/models', 'GET');
  refuseOtherMethods(app, '/v1/models/:model', 'GET');
}

function shapeModel(id: string): OpenAiModel {
  return { id, object: 'model', created: 0, owned_by: 'kindred' };
}
