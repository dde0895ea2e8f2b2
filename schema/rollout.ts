import { GraphQLBoolean, GraphQLFloat, GraphQLString } from 'graphql';
import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { VersionState } from '../src/rollout/state.js';
import { GraphQLDateTime } from './date-time.js';

export const VERSION_STATE = {
  ADDED: 'added',
  BACKFILLING: 'backfilling',
  SHADOW: 'shadow',
  CANARY: 'canary',
  STABLE: 'stable',
  RETIRING: 'retiring',
  GONE: 'gone',
} as const satisfies Record<Uppercase<VersionState>, VersionState>;

registerEnumType(VERSION_STATE, {
  name: 'VersionState',
  description: 'Where a model version stands on its way into production and out of it.',
  valuesConfig: {
    ADDED: { description: 'Known, and asked by name only.' },
    BACKFILLING: { description: 'The catalogue is being embedded into it; it answers nobody.' },
    SHADOW: { description: 'On trial: searches run on it too, and their answers are compared.' },
    CANARY: { description: 'On trial with a share of the requests.' },
    STABLE: { description: 'Answers by default.' },
    RETIRING: { description: 'Was stable: asked by name only, until `sunsetAt`.' },
    GONE: { description: 'Answers nobody any more.' },
  },
});

/** A verification as its resolvers read it. */
export interface VerificationSource {
  readonly at: Date;
  readonly against: string;
  readonly rows: number;
}

@ObjectType('TrialFigures', {
  description: 'What the searches that ran on a version on trial came to, next to the stable one.',
  simpleResolvers: true,
})
export class TrialFiguresType {
  @Field(() => Int, { description: 'Searches that were compared, by all gateways together.' })
  compared!: number;

  @Field(() => GraphQLFloat, {
    description: 'Mean share of the first hits that both had in common, 0 to 1.',
  })
  overlap!: number;
}

/** A gate's record as its resolvers read it. */
export interface GateRecordSource {
  readonly at: Date;
  readonly against: string;
  readonly passed: boolean;
  readonly relativeAccuracy: number;
  readonly failures: readonly string[];
  readonly digest: string;
}

@ObjectType('BackfillProgress', {
  description: 'How far the embedding of the catalogue into a version has come.',
  simpleResolvers: true,
})
export class BackfillProgressType {
  @Field(() => Int, { description: 'Items that it has.' })
  done!: number;

  @Field(() => Int, { description: 'Items that it will have.' })
  total!: number;

  @Field(() => GraphQLFloat, { description: 'Items a second, of all shards together.' })
  rate!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'Seconds that are left at this rate; null while it is unknown.',
  })
  secondsLeft!: number | null;

  @Field(() => GraphQLBoolean, { description: 'Whether all shards are finished.' })
  finished!: boolean;
}

@ObjectType('Verification', {
  description: 'Proof that a version holds the items of the stable one, each made from the same content.',
  simpleResolvers: true,
})
export class VerificationType {
  @Field(() => GraphQLDateTime, { description: 'When it was made.' })
  at!: Date;

  @Field(() => ID, { description: 'The version that it was compared with.' })
  against!: string;

  @Field(() => Int, { description: 'Items that both hold.' })
  rows!: number;
}

@ObjectType('GateRecord', {
  description: 'How a version did on known pairs of queries and results, next to the stable one.',
  simpleResolvers: true,
})
export class GateRecordType {
  @Field(() => GraphQLDateTime, { description: 'When it was made.' })
  at!: Date;

  @Field(() => ID, { description: 'The version that it was held against.' })
  against!: string;

  @Field(() => GraphQLBoolean, { description: 'Whether it may take traffic.' })
  passed!: boolean;

  @Field(() => GraphQLFloat, { description: 'Its accuracy, as a share of that of the baseline.' })
  relativeAccuracy!: number;

  @Field(() => [GraphQLString], { description: 'Why it did not pass; empty when it did.' })
  failures!: string[];

  @Field(() => GraphQLString, { description: 'SHA-256 of the whole record.' })
  digest!: string;
}

@ObjectType('ModelEvent', {
  description: 'A step that a model version took.',
  simpleResolvers: true,
})
export class ModelEventType {
  @Field(() => GraphQLDateTime, { description: 'When.' })
  at!: string;

  @Field(() => GraphQLString, { description: 'A person or a part of Kindred.' })
  who!: string;

  @Field(() => GraphQLString, { description: 'Why, in their words; may be empty.' })
  why!: string;

  @Field(() => ID, { description: 'Id of the version.' })
  version!: string;

  @Field(() => GraphQLString, { description: 'What the step is called, e.g. `promote`.' })
  action!: string;

  @Field(() => VERSION_STATE, {
    nullable: true,
    description: 'The state before; null for a version that came up.',
  })
  from!: VersionState | null;

  @Field(() => VERSION_STATE, { description: 'The state after it.' })
  to!: VersionState;

  @Field(() => GraphQLFloat, { description: 'Share of the requests after it, 0 to 1.' })
  share!: number;
}

@InputType('PairInput', { description: 'A query, and an item that has to be among its first results.' })
export class PairInput {
  @Field(() => GraphQLString, { description: 'The query, in plain words.' })
  query!: string;

  @Field(() => ID, { description: 'Key of the item.' })
  id!: string;
}
