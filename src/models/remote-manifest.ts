import { z } from 'zod';

const count = z.int().min(1);

/** Names of an input or output tensor; they stand in JSON only, never in a path. */
const tensorName = z.string().min(1).max(256);

/** What a server's answer may hold beside the vectors, by tensor name. */
const outputs = z
  .strictObject({
    /** `[texts, dimension]` */
    embedding: tensorName.default('embedding'),
    /** `[texts]`: tokens of each text as the model saw it. */
    tokens: tensorName.optional(),
    /** `[texts]`: true or 1 where the end of the text was dropped. */
    truncated: tensorName.optional(),
  })
  .prefault({});

const common = {
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected letters, digits, ".", "_" and "-"'),
  name: z.string().min(1),
  description: z.string().default(''),
  /** Base address. Secrets belong into `headers`, by `${NAME}`. */
  url: z.url({ protocol: /^https?$/ }).refine((url) => URL.canParse(url) && !hasExtras(new URL(url)), {
    message: 'expected no user, password, query or fragment in it',
  }),
  /** The model's name at the server. */
  model: z.string().min(1).max(256),
  /** Whatever the operator changes when the server's vectors change and nothing else here does. */
  revision: z.string().default(''),
  dimension: count.max(32_768),
  /** Longest text that the model reads, in tokens; batches are put together by it. */
  maxTokens: count.max(1_000_000),
  prompts: z.strictObject({ query: z.string().default(''), document: z.string().default('') }).prefault({}),
  /** Sent with each request. `${NAME}` stands for the environment variable NAME. */
  headers: z
    .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'expected the name of a header'), z.string())
    .default({}),
  /** Members added to the JSON of each request, e.g. `{"dimensions": 256}`. */
  parameters: z.record(z.string().min(1), z.json()).default({}),
  tls: z
    .strictObject({
      /** PEM file in this folder with the authorities to trust instead of Node's. */
      ca: z.string().min(1).optional(),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Texts in a request at most. */
      texts: count.max(4_096).default(32),
      /** Estimated tokens in a request at most. */
      tokens: count.default(8_192),
      /** Bytes of an answer at most. */
      responseBytes: count.default(33_554_432),
    })
    .prefault({}),
  /** Requests under way at most, each on a connection of its own. */
  concurrency: count.max(256).default(4),
  timeouts: z
    .strictObject({
      /** Until a connection stands, TLS included, in ms. */
      connectMs: count.default(2_000),
      /** One try, connection included, in ms. */
      attemptMs: count.default(5_000),
      /** A request with all its tries and the pauses between them, in ms. */
      totalMs: count.default(10_000),
    })
    .prefault({}),
  /** Tries after the first, at most; all retries together stay below a tenth of the requests. */
  retries: z.int().min(0).max(10).default(2),
  breaker: z
    .strictObject({
      /** Failures in a row after which no request is sent. */
      failures: count.default(5),
      /** Time between probes while none is sent, in ms. */
      probeMs: count.default(1_000),
    })
    .prefault({}),
  /** A text and the vector that it must embed to (float32, little endian, in base64): checked at load and after each outage. */
  probe: z
    .strictObject({
      text: z.string().min(1),
      purpose: z.enum(['query', 'document']).default('query'),
      vector: z.base64().min(1),
    })
    .optional(),
};

/** `POST {url}/embeddings`, where `url` ends with the version of the API as in `https://api.openai.com/v1`. */
const openai = z.strictObject({
  ...common,
  protocol: z.literal('openai'),
  encoding: z.enum(['base64', 'float']).default('base64'),
});

/** `POST {url}/v2/models/{model}[/versions/{version}]/infer`. */
const openInference = z.strictObject({
  ...common,
  protocol: z.literal('open-inference'),
  version: z.string().min(1).optional(),
  /** `binary` is the tensor data extension; servers without it need `json`. */
  encoding: z.enum(['binary', 'json']).default('binary'),
  input: tensorName.default('text'),
  /** 1 sends texts as `[texts]`, 2 as `[texts, 1]`, which Triton wants of a model with `max_batch_size`. */
  inputRank: z.union([z.literal(1), z.literal(2)]).default(1),
  outputs,
});

/** `POST {url}/v1/models/{model}[/versions/{version}]:predict`. */
const tensorflowServing = z.strictObject({
  ...common,
  protocol: z.literal('tensorflow-serving'),
  version: z.string().regex(/^\d+$/, 'expected a number').optional(),
  signature: z.string().min(1).optional(),
  /** `row` sends `instances`, `columnar` sends `inputs`. */
  format: z.enum(['row', 'columnar']).default('row'),
  /** `base64` sends each text as `{"b64": "..."}`. */
  encoding: z.enum(['text', 'base64']).default('text'),
  /** Needed only where the signature has several inputs. */
  input: tensorName.optional(),
  outputs,
});

/** remote.json, as an operator writes it: a model version that another server computes. */
export const remoteManifestSchema = z
  .discriminatedUnion('protocol', [openai, openInference, tensorflowServing])
  .superRefine(({ probe, dimension }, context) => {
    const bytes = probe === undefined ? dimension * 4 : Buffer.byteLength(probe.vector, 'base64');
    if (bytes === dimension * 4) return;
    context.addIssue({
      code: 'custom',
      path: ['probe', 'vector'],
      message: `expected ${String(dimension)} float32 numbers (${String(dimension * 4)} bytes), but got ${String(bytes)} bytes`,
    });
  });

export type RemoteManifest = z.infer<typeof remoteManifestSchema>;
export type OpenAiManifest = z.infer<typeof openai>;
export type OpenInferenceManifest = z.infer<typeof openInference>;
export type TensorFlowServingManifest = z.infer<typeof tensorflowServing>;

function hasExtras({ username, password, search, hash }: URL): boolean {
  return [username, password, search, hash].some((part) => part !== '');
}
