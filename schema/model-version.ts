import { GraphQLBoolean, GraphQLFloat, GraphQLString } from 'graphql';
import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { ModelHealth, ModelRole, ModelVersion, SearchMode } from '../src/models/model-version.js';
import type { VersionState } from '../src/rollout/state.js';
import { GraphQLDateTime } from './date-time.js';
import { VERSION_STATE } from './rollout.js';
import { SEARCH_MODE } from './search-mode.js';

const MODEL_ROLE = { STABLE: 'STABLE', CANDIDATE: 'CANDIDATE', IDLE: 'IDLE' } as const satisfies Record<
  ModelRole,
  ModelRole
>;
const MODEL_HEALTH = { LOADING: 'LOADING', READY: 'READY', FAILED: 'FAILED' } as const satisfies Record<
  ModelHealth,
  ModelHealth
>;

registerEnumType(MODEL_ROLE, {
  name: 'ModelRole',
  description: 'The part that a model version plays.',
  valuesConfig: {
    STABLE: { description: 'Answers by default.' },
    CANDIDATE: { description: 'On trial.' },
    IDLE: { description: 'Answers only when it is asked for by name.' },
  },
});

registerEnumType(MODEL_HEALTH, {
  name: 'ModelHealth',
  description: 'Whether a model version can answer.',
  valuesConfig: {
    LOADING: { description: 'Not yet: it answers MODEL_VERSION_UNAVAILABLE.' },
    READY: { description: 'It answers.' },
    FAILED: { description: 'It could not be loaded: it answers MODEL_VERSION_UNAVAILABLE.' },
  },
});

/** A version of the embedding model, as clients see it. */
@ObjectType('ModelVersion', {
  description:
    'A version of the embedding model. Vectors and scores of different versions can not be compared.',
  simpleResolvers: true,
})
export class ModelVersionType implements Omit<ModelVersion, 'digest' | 'rollout' | 'calibration'> {
  @Field(() => ID, { description: 'What `modelVersion` arguments take.' })
  id!: string;

  @Field(() => GraphQLString, { description: 'What people call it.' })
  name!: string;

  @Field(() => Int, { description: 'Numbers in its vectors; 0 while it has never loaded.' })
  dimension!: number;

  @Field(() => Int, { description: 'Tokens that it reads of a text; what follows is cut off.' })
  maxTokens!: number;

  @Field(() => MODEL_ROLE, { description: 'The part that it plays.' })
  role!: ModelRole;

  @Field(() => VERSION_STATE, { description: 'Where it stands on its way into production and out of it.' })
  state!: VersionState;

  @Field(() => GraphQLFloat, {
    description: 'Share of the requests without a version of their own that it answers, 0 to 1.',
  })
  traffic!: number;

  @Field(() => MODEL_HEALTH, { description: 'Whether it can answer.' })
  health!: ModelHealth;

  @Field(() => [SEARCH_MODE], {
    description: 'What `search` may go by in this version; none while it can not answer.',
  })
  searchModes!: readonly SearchMode[];

  @Field(() => GraphQLString, {
    nullable: true,
    description:
      'What runs it in this gateway, e.g. `cpu` or `cuda`; null while it has never loaded, and where another server runs it.',
  })
  executionProvider!: string | null;

  @Field(() => GraphQLBoolean, {
    description:
      'Whether it runs on the CPU because the configured execution provider failed: slower, with the same vectors.',
  })
  degraded!: boolean;

  @Field(() => GraphQLDateTime, {
    nullable: true,
    description: 'When it stops answering; null while that is open.',
  })
  sunsetAt!: Date | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The version that answers in its place once it retires; null before.',
  })
  successor!: string | null;
}
