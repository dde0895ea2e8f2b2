import { GraphQLBoolean } from 'graphql';
import { Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import { ModelVersionType } from '../schema/model-version.js';
import {
  BackfillProgressType,
  type GateRecordSource,
  GateRecordType,
  TrialFiguresType,
  type VerificationSource,
  VerificationType,
} from '../schema/rollout.js';
import type { ModelVersion } from '../src/models/model-version.js';
import {
  type BackfillProgress,
  type TrialSummary,
  backfillProgress,
  trialSummary,
} from '../src/rollout/progress.js';
import type { RequestContext } from './context.js';

/** Resolves `Query.models`, and what of a version is not a plain property. */
@Resolver(() => ModelVersionType)
export class ModelResolver {
  @Query(() => [ModelVersionType], {
    description: 'All versions of the embedding model behind this gateway.',
  })
  models(@Ctx() { models }: RequestContext): ModelVersion[] {
    return models.versions();
  }

  @FieldResolver(() => GraphQLBoolean, {
    description:
      'Whether its scores have a scale of relevance, out of the pairs of a gate. Without one `minScore` is a raw score, which means something else in each version.',
  })
  calibrated(@Root() { calibration }: ModelVersion): boolean {
    return calibration !== null;
  }

  @FieldResolver(() => BackfillProgressType, {
    nullable: true,
    description: 'How far the embedding of the catalogue into it has come; null when none was begun.',
  })
  backfill(@Root() { rollout }: ModelVersion): BackfillProgress | null {
    return backfillProgress(rollout.backfill);
  }

  @FieldResolver(() => VerificationType, {
    nullable: true,
    description: 'Proof that it holds what the stable version holds; null without one.',
  })
  verified(@Root() { rollout: { verified } }: ModelVersion): VerificationSource | null {
    return verified === null ? null : { ...verified, at: new Date(verified.at) };
  }

  @FieldResolver(() => TrialFiguresType, {
    nullable: true,
    description: 'What its trial came to so far; null while nothing was compared.',
  })
  trial(@Root() { rollout }: ModelVersion): TrialSummary | null {
    return trialSummary(rollout.trial);
  }

  @FieldResolver(() => GateRecordType, {
    nullable: true,
    description: 'What its last gate came to; null when it has been through none.',
  })
  gate(@Root() { rollout: { gate } }: ModelVersion): GateRecordSource | null {
    return gate === null ? null : { ...gate, at: new Date(gate.at) };
  }
}
