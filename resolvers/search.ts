import { GraphQLFloat, type GraphQLResolveInfo, GraphQLString } from 'graphql';
import { Arg, Args, type ClassType, Ctx, Info, Query, Resolver } from 'type-graphql';
import type { ConnectionSource, PageArguments } from '../schema/page.js';
import { SEARCH_MODE } from '../schema/search-mode.js';
import type { SearchMode } from '../src/models/model-version.js';
import { relevanceScale } from '../src/search/search.js';
import type { RequestContext } from './context.js';
import { pageCost } from './cost.js';
import type { EntityTypes } from './entity-types.js';
import { toConnection } from './page.js';
import { selectedOfItems } from './selection.js';

/** Makes the resolver of `Query.search`. */
export function createSearchResolver({ connection, pageArguments, readFilter }: EntityTypes): ClassType {
  @Resolver()
  class SearchResolver {
    @Query(() => connection, {
      nullable: true,
      complexity: pageCost,
      description:
        'Finds items by a query in words: by its meaning, by the words themselves, or by both; best first.',
    })
    async search(
      // type-graphql lists arguments from the last parameter to the first.
      @Info() info: GraphQLResolveInfo,
      @Ctx() context: RequestContext,
      @Args(() => pageArguments) { filter, first, after, modelVersion }: PageArguments,
      @Arg('mode', () => SEARCH_MODE, {
        defaultValue: SEARCH_MODE.SEMANTIC,
        description: 'What the search goes by.',
      })
      mode: SearchMode,
      @Arg('minScore', () => GraphQLFloat, {
        nullable: true,
        description:
          'What results have to reach. In a SEMANTIC search by a version that is `calibrated` their relevance, 0 to 1, which means the same in every version; otherwise their raw score.',
      })
      minScore: number | null | undefined,
      @Arg('query', () => GraphQLString, { description: 'What to look for, in plain words.' }) query: string,
    ): Promise<ConnectionSource> {
      const items = selectedOfItems(info);
      const page = await context.search.page(
        {
          query,
          mode,
          minScore,
          filter: readFilter(filter, context.limits),
          first,
          after,
          modelVersion,
          items,
        },
        context.loaders,
      );
      return toConnection(page, {
        loaders: context.loaders,
        items,
        relevance: relevanceScale(page.model, mode),
      });
    }
  }
  return SearchResolver;
}
