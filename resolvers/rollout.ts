import { GraphQLBoolean, GraphQLFloat, GraphQLString } from 'graphql';
import { Arg, Ctx, ID, Int, Mutation, Query, Resolver } from 'type-graphql';
import { ModelVersionType } from '../schema/model-version.js';
import { ModelEventType, PairInput } from '../schema/rollout.js';
import { sha256 } from '../src/catalogue/hash.js';
import { badInput } from '../src/errors.js';
import type { ModelVersion } from '../src/models/model-version.js';
import { demandAdmin } from '../src/rollout/access.js';
import type { BackgroundKind } from '../src/rollout/background.js';
import type { Pairs } from '../src/rollout/pairs.js';
import type { StepOptions } from '../src/rollout/rollout.js';
import type { Actor, RolloutEvent } from '../src/rollout/state.js';
import type { RequestContext } from './context.js';

const ID_DESCRIPTION = 'Id of a model version.';
const FORCE = 'Whether it goes without the proofs that it needs; then `reason` is asked for.';
const REASON = 'Why, for the history.';

/** Resolves what changes model versions. The schema has it only where an admin token is configured; each field asks for it. */
@Resolver()
export class RolloutResolver {
  @Query(() => [ModelEventType], {
    description: 'What happened to the model versions, latest first. For admins.',
  })
  modelHistory(
    @Ctx() { admin, rollout }: RequestContext,
    @Arg('first', () => Int, { defaultValue: 50, description: 'Events at most, 1 to 1,000.' }) first: number,
  ): RolloutEvent[] {
    demandAdmin(admin);
    if (first < 1 || first > 1_000)
      throw badInput(`expected first to be 1 to 1000, but got ${String(first)}`, 'PAGE_SIZE');
    return rollout.replica.state.history.slice(-first).reverse();
  }

  @Mutation(() => ModelVersionType, {
    description:
      'Embeds the catalogue into a version, behind this answer: `backfill` tells how far it is. A version that only its bundle in `models.folder` knows becomes known by it.',
  })
  backfillModel(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
    @Arg('id', () => ID, { description: ID_DESCRIPTION }) id: string,
  ): Promise<ModelVersion> {
    const actor = adminOf(context, reason);
    return inBackground(context, id, actor, 'backfill', (signal) =>
      context.jobs.backfill(id, { actor, signal }),
    );
  }

  @Mutation(() => ModelVersionType, {
    description:
      'Compares a version with the stable one, behind this answer: `verified` tells what came of it.',
  })
  verifyModel(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
    @Arg('id', () => ID, { description: ID_DESCRIPTION }) id: string,
  ): Promise<ModelVersion> {
    const actor = adminOf(context, reason);
    return inBackground(context, id, actor, 'verify', (signal) => context.jobs.verify(id, { actor, signal }));
  }

  @Mutation(() => ModelVersionType, {
    description:
      'Holds a version against the stable one on pairs that are known to be right, behind this answer: `gate` tells what came of it.',
  })
  gateModel(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
    @Arg('pairs', () => [PairInput], { description: 'Queries, each with an item that has to be found.' })
    pairs: PairInput[],
    @Arg('id', () => ID, { description: ID_DESCRIPTION }) id: string,
  ): Promise<ModelVersion> {
    const actor = adminOf(context, reason);
    const given = toPairs(pairs);
    return inBackground(context, id, actor, 'gate', (signal) =>
      context.jobs.gate(id, { actor, signal, pairs: given }),
    );
  }

  @Mutation(() => ModelVersionType, {
    description:
      'Takes a version all the way behind this answer: backfill, verification, gate, shadow, growing shares (`rollout.upgrade`), promotion. It stops at the first step that fails, which `modelHistory` tells, and goes on from there when it is called again.',
  })
  upgradeModel(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
    @Arg('pairs', () => [PairInput], {
      description: 'Queries for the gate, each with an item that has to be found.',
    })
    pairs: PairInput[],
    @Arg('id', () => ID, { description: ID_DESCRIPTION }) id: string,
  ): Promise<ModelVersion> {
    const actor = adminOf(context, reason);
    const given = toPairs(pairs);
    return inBackground(context, id, actor, 'upgrade', (signal) =>
      context.upgrade(id, { actor, signal, pairs: given }),
    );
  }

  @Mutation(() => ModelVersionType, {
    description: 'Puts a verified version on trial: searches run on it too, and their answers are compared.',
  })
  async shadowModel(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
    @Arg('force', () => GraphQLBoolean, { defaultValue: false, description: FORCE }) force: boolean,
    @Arg('id', () => ID, { description: ID_DESCRIPTION }) id: string,
  ): Promise<ModelVersion> {
    await context.rollout.shadow(id, stepOf(context, reason, force));
    return versionOf(context, id);
  }

  @Mutation(() => ModelVersionType, {
    description:
      'Gives the version on trial a share of the requests that name none; above 0 it needs a passing gate.',
  })
  async setModelTraffic(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
    @Arg('force', () => GraphQLBoolean, { defaultValue: false, description: FORCE }) force: boolean,
    @Arg('share', () => GraphQLFloat, { description: 'Share of the requests, 0 to 1.' }) share: number,
    @Arg('id', () => ID, { description: ID_DESCRIPTION }) id: string,
  ): Promise<ModelVersion> {
    await context.rollout.setTraffic(id, share, stepOf(context, reason, force));
    return versionOf(context, id);
  }

  @Mutation(() => ModelVersionType, {
    description:
      'Makes the version on trial the stable one, when it was verified within `rollout.verifiedForMs`. The one before retires: it answers those who ask for it until its sunset, and can be brought back.',
  })
  async promoteModel(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
    @Arg('force', () => GraphQLBoolean, { defaultValue: false, description: FORCE }) force: boolean,
    @Arg('id', () => ID, { description: ID_DESCRIPTION }) id: string,
  ): Promise<ModelVersion> {
    await context.rollout.promote(id, stepOf(context, reason, force));
    return versionOf(context, id);
  }

  @Mutation(() => [ModelVersionType], {
    description:
      'Takes the traffic from the version on trial; when none has any, brings back the version that was stable before. Answers all versions.',
  })
  async rollbackModel(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
  ): Promise<ModelVersion[]> {
    await context.rollout.rollback(adminOf(context, reason));
    return context.models.versions();
  }

  @Mutation(() => ModelVersionType, {
    description: 'Ends the trial of a version, which is then as if it had just been added.',
  })
  async abandonModel(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
    @Arg('id', () => ID, { description: ID_DESCRIPTION }) id: string,
  ): Promise<ModelVersion> {
    await context.rollout.abandon(id, adminOf(context, reason));
    return versionOf(context, id);
  }

  @Mutation(() => [ModelVersionType], {
    description:
      'Ends a retiring version, or one that was only added: it answers nobody any more. Answers those that are left.',
  })
  async retireModel(
    @Ctx() context: RequestContext,
    @Arg('reason', () => GraphQLString, { defaultValue: '', description: REASON }) reason: string,
    @Arg('id', () => ID, { description: ID_DESCRIPTION }) id: string,
  ): Promise<ModelVersion[]> {
    await context.rollout.retire(id, adminOf(context, reason));
    return context.models.versions();
  }
}

/** Who the history names; throws for anybody but the admin. */
function adminOf({ admin }: RequestContext, reason: string): Actor {
  demandAdmin(admin);
  return { who: 'admin', why: reason };
}

/** Pairs with the digest of their JSON lines, as if they were a file. */
function toPairs(pairs: readonly PairInput[]): Pairs {
  if (pairs.length === 0) throw badInput('expected at least one pair', 'EMPTY');
  const given = pairs.map(({ query, id }) => ({ query, id }));
  const digest = sha256(given.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
  return { pairs: given, digest };
}

function stepOf(context: RequestContext, reason: string, force: boolean): StepOptions {
  return { ...adminOf(context, reason), force };
}

/** Starts a long step once the version is known; the answer waits neither for its model nor for the end of the step. */
async function inBackground(
  context: RequestContext,
  id: string,
  actor: Actor,
  kind: BackgroundKind,
  work: (signal: AbortSignal) => Promise<unknown>,
): Promise<ModelVersion> {
  await context.jobs.know(id, actor);
  context.background.start(kind, id, actor, work);
  return versionOf(context, id);
}

function versionOf({ models }: RequestContext, id: string): ModelVersion {
  const version = models.versions().find((each) => each.id === id);
  if (version === undefined) throw badInput(`there is no model version ${id} any more`);
  return version;
}
