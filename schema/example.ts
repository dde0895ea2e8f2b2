import { GraphQLString } from 'graphql';
import { Field, ID, InputType, registerEnumType } from 'type-graphql';
import type { RecommendStrategy } from '../src/search/strategies.js';
import { ImageInput } from './image.js';
import { GraphQLVector } from './vector.js';

/** The strategies by their GraphQL names. */
export const RECOMMEND_STRATEGY = {
  AVERAGE_VECTOR: 'AVERAGE_VECTOR',
  BEST_SCORE: 'BEST_SCORE',
  SUM_SCORES: 'SUM_SCORES',
} as const satisfies Record<RecommendStrategy, RecommendStrategy>;

registerEnumType(RECOMMEND_STRATEGY, {
  name: 'RecommendStrategy',
  description: 'How examples make a ranking. The strategies are those of Qdrant by the same names.',
  valuesConfig: {
    AVERAGE_VECTOR: {
      description:
        'One search with the average of the likes, moved away from the average of the dislikes. Needs a like; the fastest.',
    },
    BEST_SCORE: {
      description:
        'Each item by its nearest example: near any one like ranks high, nearer to a dislike ranks last. Best for many likes of different kinds.',
    },
    SUM_SCORES: {
      description: 'Each item by its similarities to the likes, added, less those to the dislikes.',
    },
  },
});

@InputType({ description: 'A vector out of `embed`, with what says which model made it.' })
export class EmbeddingInput {
  @Field(() => GraphQLVector, { description: 'The vector. Its length makes no difference.' })
  vector!: Float32Array;

  @Field(() => GraphQLString, {
    description:
      'Its passport. The version that it names answers unless another is asked for, which is refused then.',
  })
  passport!: string;
}

/** Exactly one of its fields is given. */
@InputType({ description: 'Something liked or disliked: exactly one of these.' })
export class ExampleInput {
  @Field(() => ID, { nullable: true, description: 'An item of the catalogue.' })
  id?: string | null;

  @Field(() => GraphQLString, {
    nullable: true,
    description: 'A text that describes it, as a catalogue would.',
  })
  text?: string | null;

  @Field(() => ImageInput, {
    nullable: true,
    description: 'An image of it, for a model version that reads them.',
  })
  image?: ImageInput | null;

  @Field(() => GraphQLVector, {
    nullable: true,
    description:
      'A vector of the model version that answers, which has to be asked for by name; else the stable one answers. `embedding` says by itself. Its length makes no difference.',
  })
  vector?: Float32Array | null;

  @Field(() => EmbeddingInput, { nullable: true, description: 'An embedding of the same model.' })
  embedding?: EmbeddingInput | null;
}
