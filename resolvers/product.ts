import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, type ClassType, Ctx, FieldResolver, ID, Info, Query, Resolver, Root } from 'type-graphql';
import type { EntitySource } from '../schema/entity.js';
import type { ConnectionSource, PageArguments } from '../schema/page.js';
import type { RequestContext } from './context.js';
import { pageCost } from './cost.js';
import type { EntityTypes } from './entity-types.js';
import { toConnection, toEntity } from './page.js';
import { selectedOfItem, selectedOfItems } from './selection.js';

/** Makes the resolver of the catalogue's entity and of the query that answers one, named like it: `Product`, `product`. */
export function createProductResolver(
  name: string,
  { entity, connection, pageArguments, readFilter }: EntityTypes,
): ClassType {
  @Resolver(() => entity)
  class ProductResolver {
    @Query(() => entity, {
      name: name.charAt(0).toLowerCase() + name.slice(1),
      nullable: true,
      description: 'One item by its key; null when there is none.',
    })
    async one(
      @Arg('id', () => ID, { description: 'The key in the catalogue.' }) id: string,
      @Ctx() { loaders }: RequestContext,
      @Info() info: GraphQLResolveInfo,
    ): Promise<EntitySource | null> {
      return toEntity(await loaders.item.load(id, selectedOfItem(info)));
    }

    @FieldResolver(() => connection, {
      nullable: true,
      complexity: pageCost,
      description: 'The items nearest to this one, without itself.',
    })
    async similar(
      @Root() { id }: EntitySource,
      @Args(() => pageArguments) { filter, first, after, modelVersion }: PageArguments,
      @Ctx() context: RequestContext,
      @Info() info: GraphQLResolveInfo,
    ): Promise<ConnectionSource> {
      const items = selectedOfItems(info);
      const page = await context.recommend.page(
        {
          like: [{ kind: 'id', id }],
          dislike: [],
          strategy: 'AVERAGE_VECTOR',
          diversity: 0,
          filter: readFilter(filter, context.limits),
          first,
          after,
          modelVersion,
          items,
        },
        context.loaders,
      );
      return toConnection(page, { loaders: context.loaders, items });
    }
  }
  return ProductResolver;
}
