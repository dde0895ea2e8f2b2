import { z } from 'zod';
import type { Config } from '../config.js';
import { EMBED_ANSWERS, embedRequestSchema } from './embed-schemas.js';
import { OPENAI_ANSWERS, openAiRequestSchema } from './openai-schemas.js';

type Schemas = Readonly<Record<string, z.ZodType>>;

/** Statuses of failed requests that both APIs share. */
const FAILURES: Readonly<Record<number, string>> = {
  400: "The request can not be used; for Kindred's own shape also: no such model version.",
  413: 'The body is larger than `server.bodyLimitBytes`.',
  415: 'The body is not UTF-8 JSON declared as application/json, or compressed.',
  429: 'The server or the queue of the model is full; nothing was computed.',
  500: 'A fault of the server.',
  503: 'The model version can not answer now.',
  504: 'The deadline passed: `server.deadlineMs`, or the header `x-kindred-deadline-ms`.',
};

/** Failures after which a retry is worth while. */
const RETRY: ReadonlySet<number> = new Set([429, 503, 504]);

const REQUEST_ID = {
  'x-request-id': { description: 'The id of the request, for support.', schema: { type: 'string' } },
};

/** Makes the OpenAPI 3.1 document of the REST routes, from the schemas that read their requests. */
export function createOpenApi({ restInputs }: Pick<Config['limits'], 'restInputs'>) {
  const requests = {
    EmbedRequest: embedRequestSchema(restInputs),
    OpenAiEmbeddingRequest: openAiRequestSchema(restInputs),
  };
  return {
    openapi: '3.1.1',
    info: {
      title: 'Kindred embeddings',
      version: '1.0.0',
      summary: "Embeddings by REST, in Kindred's own shape and in OpenAI's.",
      description: 'Search and recommendation are GraphQL, at `/graphql`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths: {
      '/embed/{version}': {
        post: {
          operationId: 'embed',
          summary: 'Embeds texts; one that can not be embedded fails alone, as data.',
          parameters: [
            { ...pathParameter('version', 'Id of a model version, or `stable` or `candidate`.') },
            DEADLINE,
          ],
          requestBody: jsonBody('EmbedRequest'),
          responses: { 200: answer('EmbedResponse'), ...failures('Error') },
        },
      },
      '/v1/embeddings': {
        post: {
          operationId: 'createEmbedding',
          summary: "Embeds texts in OpenAI's shape; one that can not be embedded fails the request.",
          parameters: [DEADLINE],
          requestBody: jsonBody('OpenAiEmbeddingRequest'),
          responses: {
            200: answer('OpenAiEmbeddingList'),
            404: failure(404, 'No such model version.', 'OpenAiError'),
            ...failures('OpenAiError'),
          },
        },
      },
      '/v1/models': {
        get: {
          operationId: 'listModels',
          summary: 'The model versions that can answer.',
          responses: { 200: answer('OpenAiModelList') },
        },
      },
      '/v1/models/{model}': {
        get: {
          operationId: 'retrieveModel',
          summary: 'The model version that an id or alias names.',
          parameters: [pathParameter('model', 'Id of a model version, or `stable` or `candidate`.')],
          responses: {
            200: answer('OpenAiModel'),
            404: failure(404, 'No such model version.', 'OpenAiError'),
            503: failure(503, FAILURES[503] ?? '', 'OpenAiError'),
          },
        },
      },
    },
    components: {
      schemas: {
        ...toJsonSchemas(requests, 'input'),
        ...toJsonSchemas({ ...EMBED_ANSWERS, ...OPENAI_ANSWERS }, 'output'),
      },
    },
  };
}

const DEADLINE = {
  name: 'x-kindred-deadline-ms',
  in: 'header',
  description: 'Lowers the time that the request may take, in ms.',
  schema: { type: 'integer', minimum: 1 },
};

function pathParameter(name: string, description: string) {
  return { name, in: 'path', required: true, description, schema: { type: 'string' } };
}

const reference = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const jsonBody = (name: string) => ({
  required: true,
  content: { 'application/json': { schema: reference(name) } },
});

const answer = (name: string) => ({
  description: 'Done.',
  headers: REQUEST_ID,
  content: { 'application/json': { schema: reference(name) } },
});

function failure(status: number, description: string, name: string) {
  const retryAfter = {
    description: 'Seconds after which to try again.',
    schema: { type: 'integer', minimum: 1 },
  };
  return {
    description,
    headers: RETRY.has(status) ? { ...REQUEST_ID, 'retry-after': retryAfter } : REQUEST_ID,
    content: { 'application/json': { schema: reference(name) } },
  };
}

function failures(name: string) {
  return Object.fromEntries(
    Object.entries(FAILURES).map(([status, description]) => [
      status,
      failure(Number(status), description, name),
    ]),
  );
}

/** JSON Schemas by name, which refer to one another by the names they have in the document. */
function toJsonSchemas(schemas: Schemas, io: 'input' | 'output'): Record<string, object> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const converted = z.toJSONSchema(registry, {
    io,
    uri: (id) => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => {
      // Answers may get more fields; requests with unknown ones are refused.
      if (io === 'output') delete jsonSchema.additionalProperties;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  }).schemas;
  for (const schema of Object.values(converted)) {
    // What a document on its own needs; here its place says both.
    delete schema.$schema;
    delete schema.$id;
  }
  return converted;
}
