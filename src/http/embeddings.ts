import type { EmbedOutcome, EmbedPurpose } from '../embedding/embedder.js';
import { checkDimension, cutEmbedding } from '../embedding/matryoshka.js';
import { type TooLong, settleTooLong } from '../embedding/too-long.js';
import { KindredError } from '../errors.js';
import type { ModelRegistry, ModelVersion } from '../models/model-version.js';
import { ParameterError } from './parse-body.js';
import type { RequestFacts } from './scope.js';

/** What the REST routes need of the registry. */
export type ServingModels = Pick<ModelRegistry, 'resolve' | 'served'>;

/** What a REST request asks to be embedded, whatever its shape. */
export interface EmbeddingsRequest {
  /** Id of a version, or an alias. */
  readonly model: string;
  readonly texts: readonly string[];
  readonly purpose: EmbedPurpose;
  readonly onTooLong: TooLong;
  /** Numbers in a vector; the model's own dimension when it is undefined. */
  readonly dimensions?: number;
}

/** What came of it: one outcome a text, in their order. */
export interface Embeddings {
  readonly version: ModelVersion;
  readonly dimension: number;
  readonly outcomes: readonly EmbedOutcome[];
}

/**
 * Embeds for a request. Rejects with MODEL_VERSION_NOT_FOUND, MODEL_VERSION_UNAVAILABLE, DIMENSION_MISMATCH, or with the error that
 * kept all texts from being embedded when it is not a fault of the texts.
 */
export type Embed = (request: EmbeddingsRequest, facts: RequestFacts) => Promise<Embeddings>;

/** Makes the one way from REST routes to the models. */
export function createEmbed(registry: Pick<ServingModels, 'resolve'>): Embed {
  return async ({ model, texts, purpose, onTooLong, dimensions }, { signal, deadline }) => {
    const { version, embedder } = blame('model', () => registry.resolve(model));
    const dimension = dimensions ?? embedder.model.dimension;
    blame('dimensions', () => {
      checkDimension(embedder.model, dimension);
    });
    const embedded = await embedder.embed(texts, { purpose, signal, deadline });
    const outcomes = embedded.map((outcome) =>
      cutEmbedding(settleTooLong(outcome, onTooLong, embedder.model), dimension),
    );
    const failure = commonFailure(outcomes);
    if (failure) throw failure;
    return { version, dimension, outcomes };
  };
}

/** Runs `work`; a KindredError of it is about `parameter`. */
function blame<T>(parameter: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof KindredError ? new ParameterError(error, parameter) : error;
  }
}

/** The error of a request in which nothing succeeded and not only because of the texts: the server's side of it counts. */
function commonFailure(outcomes: readonly EmbedOutcome[]): KindredError | undefined {
  const failures = outcomes.filter((outcome) => outcome instanceof KindredError);
  if (failures.length < outcomes.length) return undefined;
  return failures.find(({ status }) => status !== 400);
}
