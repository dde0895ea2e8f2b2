import { Arg, Ctx, ID, Query, Resolver } from 'type-graphql';
import {
  EMBED_PURPOSE,
  type EmbedFailureSource,
  EmbedInput,
  EmbedResult,
  type EmbeddingSource,
  TOO_LONG,
} from '../schema/embedding.js';
import { vectorToBase64 } from '../src/embedding/base64.js';
import type { EmbedOutcome } from '../src/embedding/embedder.js';
import { settleTooLong } from '../src/embedding/too-long.js';
import { KindredError, badInput } from '../src/errors.js';
import type { ModelVersion } from '../src/models/model-version.js';
import { passportOf } from '../src/search/passport.js';
import type { RequestContext } from './context.js';
import { embedCost } from './cost.js';

/** Resolves `Query.embed`. */
@Resolver()
export class EmbedResolver {
  @Query(() => [EmbedResult], {
    nullable: true,
    complexity: embedCost,
    description: 'Embeds texts and images, answering in their order. A bad input fails alone, as data.',
  })
  async embed(
    // type-graphql lists arguments from the last parameter to the first.
    @Ctx() { loaders, models, limits }: RequestContext,
    @Arg('modelVersion', () => ID, {
      nullable: true,
      description:
        'Id of a model version, or `stable` or `candidate`; without it the traffic policy chooses.',
    })
    modelVersion: string | null | undefined,
    @Arg('onTooLong', () => TOO_LONG, {
      defaultValue: TOO_LONG.TRUNCATE,
      description: 'What becomes of a text that is longer than the model reads.',
    })
    onTooLong: keyof typeof TOO_LONG,
    @Arg('purpose', () => EMBED_PURPOSE, {
      defaultValue: EMBED_PURPOSE.QUERY,
      description: 'What the vectors are for.',
    })
    purpose: keyof typeof EMBED_PURPOSE,
    @Arg('inputs', () => [EmbedInput], {
      description: 'What to embed; at most `limits.embedInputs` (64 by default).',
    })
    inputs: EmbedInput[],
  ): Promise<(EmbeddingSource | EmbedFailureSource)[]> {
    if (inputs.length > limits.embedInputs) {
      throw badInput(
        `expected at most ${limits.embedInputs} inputs, but got ${inputs.length}`,
        'TOO_MANY_INPUTS',
      );
    }
    const model = models.resolve(modelVersion);
    const outcomes = await Promise.all(
      inputs.map(({ text, image }) =>
        image
          ? loaders.images.load(model, image)
          : loaders.embedding.load(model, text ?? '', purpose === 'QUERY' ? 'query' : 'document'),
      ),
    );
    const choice = onTooLong === 'REFUSE' ? 'refuse' : 'truncate';
    return outcomes.map((outcome, index) =>
      toResult(settleTooLong(outcome, choice, model.embedder.model), index, model.version),
    );
  }
}

function toResult(
  outcome: EmbedOutcome,
  index: number,
  modelVersion: ModelVersion,
): EmbeddingSource | EmbedFailureSource {
  if (outcome instanceof KindredError) {
    const { code, reason, message } = outcome;
    return { code, reason: reason ?? null, message, index };
  }
  const { vector, tokens, truncated } = outcome;
  return {
    vector,
    base64: () => vectorToBase64(vector),
    dimension: vector.length,
    tokens,
    truncated,
    passport: passportOf(modelVersion, vector.length),
    modelVersion,
  };
}
