import { z } from 'zod';
import { onTooLongSchema, purposeSchema } from './embed-schemas.js';

/** The body of `POST /v1/embeddings`, for lists of at most `maxInputs`. */
export function openAiRequestSchema(maxInputs: number) {
  return z
    .strictObject({
      model: z.string().min(1).describe('Id of a model version, or `stable` or `candidate`.'),
      input: z
        .union([z.string(), z.array(z.string()).min(1).max(maxInputs)], {
          error: ({ input }) => inputFault(input),
        })
        .describe(
          'What to embed: a text or a list of texts. Lists of tokens are refused, since each model has tokens of its own.',
        ),
      encoding_format: z
        .enum(['float', 'base64'])
        .default('float')
        .describe(
          'How vectors are written: a list of numbers, or base64 of little-endian float32, which is many times cheaper.',
        ),
      dimensions: z
        .int()
        .min(1)
        .optional()
        .describe(
          "Numbers in a vector: the model's own dimension, or a smaller one that it was trained to be cut to.",
        ),
      user: z.string().optional().describe('Ignored.'),
      purpose: purposeSchema,
      onTooLong: onTooLongSchema,
    })
    .describe('Texts to embed. `purpose` and `onTooLong` are extensions of the OpenAI shape.');
}

const openAiEmbeddingSchema = z
  .object({
    object: z.literal('embedding'),
    index: z.int().min(0).describe('Which input, counted from 0.'),
    embedding: z
      .union([z.array(z.number()), z.base64()])
      .describe('The vector, of length 1, as `encoding_format` asks for it.'),
    truncated: z
      .literal(true)
      .optional()
      .describe('Extension: there when the text was too long and its end was cut off.'),
  })
  .describe('An embedded input.');

const openAiResponseSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(openAiEmbeddingSchema).describe('One for each input, in their order.'),
    model: z.string().describe('Id of the version that made the vectors, never an alias.'),
    usage: z.object({
      prompt_tokens: z.int().min(0).describe('Tokens that the model read.'),
      total_tokens: z.int().min(0).describe('The same.'),
    }),
  })
  .describe('The embeddings of the inputs.');

const openAiModelSchema = z
  .object({
    id: z.string().describe('Id of the version.'),
    object: z.literal('model'),
    created: z.literal(0).describe('Always 0: bundles hold no date.'),
    owned_by: z.literal('kindred'),
  })
  .describe('A model version that can answer.');

const openAiModelListSchema = z
  .object({ object: z.literal('list'), data: z.array(openAiModelSchema) })
  .describe('The model versions that can answer.');

const openAiErrorSchema = z
  .object({
    error: z.object({
      message: z.string().describe('For people.'),
      type: z.string().describe('The kind of error, as OpenAI names it.'),
      param: z.string().nullable().describe('What in the request it is about, e.g. `input[3]`.'),
      code: z
        .string()
        .nullable()
        .describe("Kindred's code or reason in lower case; `model_not_found` as OpenAI has it."),
    }),
  })
  .describe('Why the request failed.');

/** What the routes below `/v1` answer, by the names that the OpenAPI document gives them. */
export const OPENAI_ANSWERS = {
  OpenAiEmbedding: openAiEmbeddingSchema,
  OpenAiEmbeddingList: openAiResponseSchema,
  OpenAiModel: openAiModelSchema,
  OpenAiModelList: openAiModelListSchema,
  OpenAiError: openAiErrorSchema,
} as const;

export type OpenAiEmbeddingList = z.infer<typeof openAiResponseSchema>;
export type OpenAiModel = z.infer<typeof openAiModelSchema>;
export type OpenAiModelList = z.infer<typeof openAiModelListSchema>;
export type OpenAiErrorBody = z.infer<typeof openAiErrorSchema>;

function inputFault(input: unknown): string {
  const expected = 'expected a text or a list of texts';
  if (!Array.isArray(input)) return expected;
  if (input.length === 0) return `${expected}, but got an empty list`;
  const at = input.findIndex((item) => typeof item !== 'string');
  const item: unknown = input[at];
  return typeof item === 'number' || Array.isArray(item)
    ? `${expected}, but got tokens: each model has tokens of its own, so send the text`
    : `${expected}, but item ${at} is no text`;
}
