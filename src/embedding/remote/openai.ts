import { z } from 'zod';
import type { OpenAiManifest } from '../../models/remote-manifest.js';
import { badAnswer } from './fault.js';
import { littleEndianFloats } from './floats.js';
import { numbers, parseAnswer } from './json.js';
import type { RawVector, RemoteProtocol } from './protocol.js';

const answerSchema = z.object({
  data: z.array(z.object({ index: z.int().min(0), embedding: z.union([z.string(), numbers]) })),
  usage: z.object({ prompt_tokens: z.number().min(0) }).optional(),
});

const errorSchema = z.object({
  error: z.object({ code: z.string().nullish(), message: z.string().nullish() }),
});

/** OpenAI's `POST /v1/embeddings` (platform.openai.com/docs/api-reference/embeddings), as many servers have it, Kindred among them. */
export function createOpenAi({ model, encoding, parameters }: OpenAiManifest): RemoteProtocol {
  return {
    embed: (texts) => ({
      method: 'POST',
      path: '/embeddings',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...parameters, model, input: texts, encoding_format: encoding }),
    }),
    read: ({ body }, count) => {
      const { data, usage } = parseAnswer(answerSchema, body);
      if (data.length !== count)
        throw badAnswer(`expected ${String(count)} embeddings, but got ${String(data.length)}`);
      const vectors = new Array<RawVector | undefined>(count).fill(undefined);
      for (const { index, embedding } of data) {
        // Some servers answer floats whatever they are asked for.
        vectors[index] = typeof embedding === 'string' ? floatsOf(embedding) : embedding;
      }
      const complete = vectors.filter((vector) => vector !== undefined);
      if (vectors.length !== count || complete.length !== count) throw badAnswer('expected each index once');
      // Servers tell the tokens of the whole request only.
      const totalTokens = usage?.prompt_tokens;
      const tokens = count === 1 && totalTokens !== undefined ? [totalTokens] : undefined;
      return { vectors: complete, tokens, totalTokens };
    },
    tooLong: (body) => {
      try {
        const { error } = errorSchema.parse(JSON.parse(body));
        return /context_length|TEXT_TOO_LONG|too.?long/i.test(`${error.code ?? ''} ${error.message ?? ''}`);
      } catch {
        return false;
      }
    },
  };
}

function floatsOf(base64: string): Float32Array {
  return littleEndianFloats(Buffer.from(base64, 'base64'));
}
