import { GraphQLBoolean, GraphQLString } from 'graphql';
import { Field, InputType, Int, ObjectType, createUnionType, registerEnumType } from 'type-graphql';
import type { ErrorCode, ErrorReason } from '../src/errors.js';
import type { ModelVersion } from '../src/models/model-version.js';
import { ImageInput } from './image.js';
import { ModelVersionType } from './model-version.js';
import { GraphQLVector } from './vector.js';

/** The purposes by their GraphQL names. Subgraph schemas lose other inner values of enums in defaults. */
export const EMBED_PURPOSE = { QUERY: 'QUERY', DOCUMENT: 'DOCUMENT' } as const;

registerEnumType(EMBED_PURPOSE, {
  name: 'EmbedPurpose',
  description: 'What texts are embedded for: some models treat queries and documents differently.',
  valuesConfig: {
    QUERY: { description: 'To look for documents with.' },
    DOCUMENT: { description: 'To be found.' },
  },
});

/** What becomes of inputs that are too long, by their GraphQL names. */
export const TOO_LONG = { TRUNCATE: 'TRUNCATE', REFUSE: 'REFUSE' } as const;

registerEnumType(TOO_LONG, {
  name: 'TooLong',
  description: 'What becomes of a text that is longer than the model reads.',
  valuesConfig: {
    TRUNCATE: { description: 'Its end is cut off; the embedding says `truncated: true`.' },
    REFUSE: { description: 'It fails with the reason TEXT_TOO_LONG.' },
  },
});

/** Exactly one of its fields is given. */
@InputType({ description: 'Something to embed: exactly one of these.' })
export class EmbedInput {
  @Field(() => GraphQLString, { nullable: true, description: 'A text.' })
  text?: string | null;

  @Field(() => ImageInput, { nullable: true, description: 'An image, for a model version that reads them.' })
  image?: ImageInput | null;
}

/** An embedding as its resolvers read it. */
export interface EmbeddingSource {
  readonly vector: Float32Array;
  readonly base64: () => string;
  readonly dimension: number;
  readonly tokens: number;
  readonly truncated: boolean;
  readonly passport: string;
  readonly modelVersion: ModelVersion;
}

@ObjectType('Embedding', { description: 'An embedded input.', simpleResolvers: true })
class EmbeddingType {
  @Field(() => GraphQLVector, { description: 'The vector, of length 1. `base64` is many times cheaper.' })
  vector!: Float32Array;

  @Field(() => GraphQLString, { description: 'The vector as base64 of little-endian float32.' })
  base64!: string;

  @Field(() => Int, { description: 'Numbers in the vector.' })
  dimension!: number;

  @Field(() => Int, { description: 'Tokens that the model read; 0 when it does not tell.' })
  tokens!: number;

  @Field(() => GraphQLBoolean, { description: 'Whether the input was too long and its end was cut off.' })
  truncated!: boolean;

  @Field(() => GraphQLString, {
    description:
      'Says which model made the vector: with it `recommend` refuses to compare it with those of another.',
  })
  passport!: string;

  @Field(() => ModelVersionType, { description: 'The version of the model that made the vector.' })
  modelVersion!: ModelVersionType;
}

/** What only one input has against it, as its resolvers read it. */
export interface EmbedFailureSource {
  readonly code: ErrorCode;
  readonly reason: ErrorReason | null;
  readonly message: string;
  readonly index: number;
}

@ObjectType('EmbedFailure', {
  description: 'Why one input could not be embedded; the others are.',
  simpleResolvers: true,
})
class EmbedFailure {
  @Field(() => GraphQLString, { description: 'One of the codes that errors have in `extensions.code`.' })
  code!: ErrorCode;

  @Field(() => GraphQLString, { nullable: true, description: 'What narrows the code down.' })
  reason!: ErrorReason | null;

  @Field(() => GraphQLString, { description: 'For people.' })
  message!: string;

  @Field(() => Int, { description: 'Which input, counted from 0.' })
  index!: number;
}

/** What one input comes to. */
export const EmbedResult = createUnionType({
  name: 'EmbedResult',
  description: 'What one input comes to.',
  types: () => [EmbeddingType, EmbedFailure] as const,
  resolveType: (value: object) => ('vector' in value ? 'Embedding' : 'EmbedFailure'),
});
