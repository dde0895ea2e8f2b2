import { GraphQLFloat, type GraphQLResolveInfo } from 'graphql';
import { Arg, Args, type ClassType, Ctx, Info, Query, Resolver } from 'type-graphql';
import { ExampleInput, RECOMMEND_STRATEGY } from '../schema/example.js';
import type { ConnectionSource, PageArguments } from '../schema/page.js';
import { badInput } from '../src/errors.js';
import type { TrafficSubject } from '../src/rollout/traffic.js';
import { readPassport } from '../src/search/passport.js';
import type { Example } from '../src/search/recommend.js';
import type { RecommendStrategy } from '../src/search/strategies.js';
import type { RequestContext } from './context.js';
import { recommendCost } from './cost.js';
import type { EntityTypes } from './entity-types.js';
import { toConnection } from './page.js';
import { selectedOfItems } from './selection.js';

/** Makes the resolver of `Query.recommend`. */
export function createRecommendResolver({ connection, pageArguments, readFilter }: EntityTypes): ClassType {
  @Resolver()
  class RecommendResolver {
    @Query(() => connection, {
      nullable: true,
      complexity: recommendCost,
      description:
        'Finds items like the liked examples and unlike the disliked ones. Examples named by id never come back.',
    })
    async recommend(
      // type-graphql lists arguments from the last parameter to the first.
      @Info() info: GraphQLResolveInfo,
      @Ctx() context: RequestContext,
      @Args(() => pageArguments) { filter, first, after, modelVersion }: PageArguments,
      @Arg('diversity', () => GraphQLFloat, {
        defaultValue: 0,
        description:
          'From 0, best first, to 1, each as unlike those before it as can be: maximal marginal relevance. Scores stay those of the strategy, so over 0 edges are not sorted by score.',
      })
      diversity: number,
      @Arg('strategy', () => RECOMMEND_STRATEGY, {
        defaultValue: RECOMMEND_STRATEGY.AVERAGE_VECTOR,
        description: 'How the examples make a ranking.',
      })
      strategy: RecommendStrategy,
      @Arg('dislike', () => [ExampleInput], { defaultValue: [], description: 'What to be far from.' })
      dislike: ExampleInput[],
      @Arg('like', () => [ExampleInput], { defaultValue: [], description: 'What to be near to.' })
      like: ExampleInput[],
    ): Promise<ConnectionSource> {
      const items = selectedOfItems(info);
      const [likes, dislikes] = [like.map(toExample), dislike.map(toExample)];
      const examples = [...likes, ...dislikes];
      if (!context.limits.bareVectors && examples.some(isBare))
        throw badInput('expected a vector with its passport (embedding), but got one without', 'PASSPORT');
      const page = await context.recommend.page(
        {
          like: likes,
          dislike: dislikes,
          strategy,
          diversity,
          filter: readFilter(filter, context.limits),
          first,
          after,
          modelVersion:
            modelVersion ?? (typeof after === 'string' ? null : versionOf(examples, context.subject)),
          items,
        },
        context.loaders,
      );
      return toConnection(page, { loaders: context.loaders, items });
    }
  }
  return RecommendResolver;
}

/** The version whose vectors are among the examples: traffic may not choose another. One that does not say so is taken for the stable one's. */
function versionOf(examples: readonly Example[], { override }: TrafficSubject): string | null {
  for (const example of examples)
    if (example.kind === 'vector' && example.passport !== undefined) return example.passport.version;
  return override === undefined && examples.some(isBare) ? 'stable' : null;
}

/** Whether nothing tells which model made an example. */
function isBare(example: Example): boolean {
  return example.kind === 'vector' && example.passport === undefined;
}

/** GraphQL has made sure that exactly one field is there (`@oneOf`). */
function toExample({ id, text, image, vector, embedding }: ExampleInput): Example {
  if (typeof id === 'string') return { kind: 'id', id };
  if (typeof text === 'string') return { kind: 'text', text };
  if (image) return { kind: 'image', image };
  if (embedding)
    return { kind: 'vector', vector: embedding.vector, passport: readPassport(embedding.passport) };
  return { kind: 'vector', vector: vector ?? new Float32Array() };
}
