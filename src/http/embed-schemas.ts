import { z } from 'zod';
import { ERROR_TABLE, type ErrorCode } from '../errors.js';

/** What texts are embedded for, in all REST bodies. */
export const purposeSchema = z
  .enum(['query', 'document'])
  .default('query')
  .describe('What the vectors are for: some models treat queries and documents differently.');

/** What becomes of texts that are longer than the model reads, in all REST bodies. */
export const onTooLongSchema = z
  .enum(['truncate', 'refuse'])
  .default('truncate')
  .describe(
    'A text longer than the model reads: embed it without its end (`truncated`), or fail it with TEXT_TOO_LONG.',
  );

/** The body of `POST /embed/{version}`, for lists of at most `maxInputs`. */
export function embedRequestSchema(maxInputs: number) {
  const input = z.union([z.string(), z.strictObject({ text: z.string().describe('A text.') })], {
    error: 'expected a text, or an object with a text: { "text": "..." }',
  });
  return z
    .strictObject({
      inputs: z.array(input).min(1).max(maxInputs).describe('What to embed.'),
      purpose: purposeSchema,
      encoding: z
        .enum(['float', 'base64'])
        .default('float')
        .describe(
          'How vectors are written: a list of numbers, or base64 of little-endian float32, which is many times cheaper.',
        ),
      onTooLong: onTooLongSchema,
    })
    .describe('Texts to embed.');
}

const codeSchema = z
  .enum(Object.keys(ERROR_TABLE) as [ErrorCode, ...ErrorCode[]])
  .describe('What went wrong, for programs.');

const embeddingShape = {
  tokens: z.int().min(0).describe('Tokens that the model read; 0 when it does not tell.'),
  truncated: z.boolean().describe('Whether the text was too long and its end was cut off.'),
};

const embeddingSchema = z
  .union([
    z.object({ vector: z.array(z.number()).describe('The vector, of length 1.'), ...embeddingShape }),
    z.object({
      base64: z.base64().describe('The vector, of length 1: little-endian float32.'),
      ...embeddingShape,
    }),
  ])
  .describe('An embedded input.');

const embedFailureSchema = z
  .object({
    error: z.object({
      code: codeSchema,
      reason: z.string().nullable().describe('What narrows the code down.'),
      message: z.string().describe('For people.'),
      index: z.int().min(0).describe('Which input, counted from 0.'),
    }),
  })
  .describe('Why one input could not be embedded; the others are.');

const embedResponseSchema = z
  .object({
    modelVersion: z.string().describe('Id of the version that made the vectors, never an alias.'),
    dimension: z.int().min(1).describe('Numbers in a vector.'),
    embeddings: z
      .array(z.union([embeddingSchema, embedFailureSchema]))
      .describe('One for each input, in their order.'),
  })
  .describe('The embeddings of the inputs.');

const errorSchema = z
  .object({
    errors: z
      .array(
        z.object({
          message: z.string().describe('For people.'),
          extensions: z.looseObject({
            code: z.string().describe('What went wrong, for programs: see deploy/docs/errors.md.'),
            reason: z.string().optional().describe('What narrows the code down.'),
            retryAfterMs: z.number().optional().describe('Milliseconds after which a retry is worth while.'),
            requestId: z.string().describe('Also the header `x-request-id`.'),
          }),
        }),
      )
      .min(1),
  })
  .describe('Why the whole request failed.');

/** What `POST /embed/{version}` answers, by the names that the OpenAPI document gives them. */
export const EMBED_ANSWERS = {
  Embedding: embeddingSchema,
  EmbedFailure: embedFailureSchema,
  EmbedResponse: embedResponseSchema,
  Error: errorSchema,
} as const;

/** What `POST /embed/{version}` answers when it succeeds. */
export type EmbedResponse = z.infer<typeof embedResponseSchema>;
