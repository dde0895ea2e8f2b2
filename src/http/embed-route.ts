import type { FastifyInstance } from 'fastify';
import { vectorToBase64 } from '../embedding/base64.js';
import type { EmbedOutcome } from '../embedding/embedder.js';
import { KindredError } from '../errors.js';
import type { Admission } from './admission.js';
import { type EmbedResponse, embedRequestSchema } from './embed-schemas.js';
import { deprecationHeaders } from './deprecation.js';
import type { Embed } from './embeddings.js';
import { refuseOtherMethods } from './method-not-allowed.js';
import { checkCount, parseBody } from './parse-body.js';
import { stringifyList } from './stringify-list.js';

export interface EmbedRouteOptions {
  readonly admission: Admission;
  readonly embed: Embed;
  /** Inputs of one request. */
  readonly maxInputs: number;
}

/** Adds `POST /embed/{version}`: embeddings in Kindred's own shape. An input that can't be embedded fails alone, as data. */
export function addEmbedRoute(
  app: FastifyInstance,
  { admission, embed, maxInputs }: EmbedRouteOptions,
): void {
  const schema = embedRequestSchema(maxInputs);
  app.post<{ Params: { version: string } }>('/embed/:version', {
    onRequest: admission.guard,
    handler: async (request, reply) => {
      const { facts, run } = admission.enter(request, reply);
      checkCount(request.body, 'inputs', maxInputs);
      const { inputs, encoding, ...choices } = parseBody(schema, request.body);
      const texts = inputs.map((input) => (typeof input === 'string' ? input : input.text));
      const body = await run(async () => {
        const { version, dimension, outcomes } = await embed(
          { model: request.params.version, texts, ...choices },
          facts,
        );
        void reply.headers(deprecationHeaders([version]));
        const head = { modelVersion: version.id, dimension } satisfies Omit<EmbedResponse, 'embeddings'>;
        return stringifyList(head, 'embeddings', outcomes, (outcome, index) =>
          shapeOutcome(outcome, index, encoding),
        );
      });
      return reply.type('application/json; charset=utf-8').header('cache-control', 'no-store').send(body);
    },
  });
  refuseOtherMethods(app, '/embed/:version', 'POST');
}

function shapeOutcome(
  outcome: EmbedOutcome,
  index: number,
  encoding: 'float' | 'base64',
): EmbedResponse['embeddings'][number] {
  if (outcome instanceof KindredError) {
    const { code, reason, message } = outcome;
    return { error: { code, reason: reason ?? null, message, index } };
  }
  const { vector, tokens, truncated } = outcome;
  return encoding === 'base64'
    ? { base64: vectorToBase64(vector), tokens, truncated }
    : { vector: Array.from(vector), tokens, truncated };
}
