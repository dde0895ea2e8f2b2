import type { FastifyInstance } from 'fastify';
import { vectorToBase64 } from '../embedding/base64.js';
import type { EmbedOutcome, Embedding } from '../embedding/embedder.js';
import { KindredError } from '../errors.js';
import { deprecationHeaders } from './deprecation.js';
import type { EmbedRouteOptions } from './embed-route.js';
import { refuseOtherMethods } from './method-not-allowed.js';
import { type OpenAiEmbeddingList, openAiRequestSchema } from './openai-schemas.js';
import { ParameterError, checkCount, parseBody } from './parse-body.js';
import { stringifyList } from './stringify-list.js';

/** Adds `POST /v1/embeddings`: embeddings in OpenAI's shape. One input that can't be embedded fails the request. */
export function addOpenAiRoute(
  app: FastifyInstance,
  { admission, embed, maxInputs }: EmbedRouteOptions,
): void {
  const schema = openAiRequestSchema(maxInputs);
  app.post('/v1/embeddings', {
    onRequest: admission.guard,
    handler: async (request, reply) => {
      const { facts, run } = admission.enter(request, reply);
      checkCount(request.body, 'input', maxInputs);
      const { input, encoding_format: format, ...choices } = parseBody(schema, request.body);
      const texts = typeof input === 'string' ? [input] : input;
      const body = await run(async () => {
        const { version, outcomes } = await embed({ texts, ...choices }, facts);
        void reply.headers(deprecationHeaders([version]));
        const embeddings = outcomes.map((outcome, index) =>
          assertEmbedded(outcome, typeof input === 'string' ? 'input' : `input[${index}]`),
        );
        const tokens = embeddings.reduce((sum, embedding) => sum + embedding.tokens, 0);
        const head = {
          object: 'list',
          model: version.id,
          usage: { prompt_tokens: tokens, total_tokens: tokens },
        } satisfies Omit<OpenAiEmbeddingList, 'data'>;
        return stringifyList(head, 'data', embeddings, (embedding, index) =>
          shapeEmbedding(embedding, index, format),
        );
      });
      return reply.type('application/json; charset=utf-8').header('cache-control', 'no-store').send(body);
    },
  });
  refuseOtherMethods(app, '/v1/embeddings', 'POST');
}

function assertEmbedded(outcome: EmbedOutcome, parameter: string): Embedding {
  if (outcome instanceof KindredError) throw new ParameterError(outcome, parameter);
  return outcome;
}

function shapeEmbedding(
  { vector, truncated }: Embedding,
  index: number,
  format: 'float' | 'base64',
): OpenAiEmbeddingList['data'][number] {
  return {
    object: 'embedding',
    index,
    embedding: format === 'base64' ? vectorToBase64(vector) : Array.from(vector),
    ...(truncated && { truncated }),
  };
}
