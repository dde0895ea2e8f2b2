import { type ModelServer, type ModelServerOptions, servedBatch, startModelServer } from './model-server.js';

interface EmbeddingsRequest {
  readonly model: string;
  readonly input: string | string[];
  readonly encoding_format?: 'float' | 'base64';
}

/** A server with OpenAI's `POST /v1/embeddings` and its shape of errors. It answers in reverse order, as `index` allows. */
export function startOpenAiServer({ tls }: Pick<ModelServerOptions, 'tls'> = {}): Promise<ModelServer> {
  return startModelServer({
    tls,
    answer: async ({ method, path, body }) => {
      if (method !== 'POST' || path !== '/v1/embeddings') return error(404, 'unknown_url', 'Unknown URL');
      const { model, input, encoding_format = 'float' } = JSON.parse(body.toString()) as EmbeddingsRequest;
      if (model !== 'bag-of-words') return error(404, 'model_not_found', `The model ${model} does not exist`);
      return servedBatch(
        typeof input === 'string' ? [input] : input,
        ({ status }) => error(status, 'context_length_exceeded', 'This model has a maximum context length'),
        (embeddings) => {
          const data = embeddings.map(({ vector }, index) => ({
            object: 'embedding',
            index,
            embedding:
              encoding_format === 'float'
                ? vector
                : Buffer.from(new Float32Array(vector).buffer).toString('base64'),
          }));
          const tokens = embeddings.reduce((sum, each) => sum + each.tokens, 0);
          const usage = { prompt_tokens: tokens, total_tokens: tokens };
          return { body: JSON.stringify({ object: 'list', data: data.reverse(), model, usage }) };
        },
      );
    },
  });
}

function error(status: number, code: string, message: string): { status: number; body: string } {
  return {
    status,
    body: JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code } }),
  };
}
