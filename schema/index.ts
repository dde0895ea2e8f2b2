import 'reflect-metadata';
import type { GraphQLSchema } from 'graphql';
import { buildSchema } from 'type-graphql';
import type { RequestContext } from '../resolvers/context.js';
import { entitiesCost } from '../resolvers/cost.js';
import { EmbedResolver } from '../resolvers/embed.js';
import { createEntityTypes } from '../resolvers/entity-types.js';
import { ModelResolver } from '../resolvers/model.js';
import { toEntity } from '../resolvers/page.js';
import { createProductResolver } from '../resolvers/product.js';
import { createRecommendResolver } from '../resolvers/recommend.js';
import { RolloutResolver } from '../resolvers/rollout.js';
import { selectedOfItem } from '../resolvers/selection.js';
import { createSearchResolver } from '../resolvers/search.js';
import type { Catalogue } from '../src/catalogue/catalogue.js';
import { badInput } from '../src/errors.js';
import { type EntityReference, toSubgraph } from './subgraph.js';

export interface SchemaOptions {
  readonly catalogue: Catalogue;
  /** Whether it has what changes model versions; by default it has. */
  readonly admin?: boolean;
}

/** Makes the schema that serves a catalogue: a federation subgraph whose entity, filter and connection are generated from it. */
export async function createSchema({ catalogue, admin = true }: SchemaOptions): Promise<GraphQLSchema> {
  const types = createEntityTypes(catalogue);
  const base = await buildSchema({
    resolvers: [
      createSearchResolver(types),
      createRecommendResolver(types),
      EmbedResolver,
      createProductResolver(catalogue.entity, types),
      ModelResolver,
      ...(admin ? [RolloutResolver] : []),
    ],
    // GraphQL's own types check all that is checked here.
    validate: false,
  });
  const query = base.getQueryType();
  const mutation = base.getMutationType();
  // type-graphql has no place for them.
  if (mutation) mutation.description = 'What changes model versions; for admins.';
  if (query) query.description = 'Search, recommendation and embeddings, by any version of the model.';
  return toSubgraph<RequestContext>(base, {
    entities: {
      [catalogue.entity]: async (reference, { loaders }, info) =>
        toEntity(await loaders.item.load(keyOf(reference), selectedOfItem(info))),
      ModelVersion: (reference, { models }) => {
        const id = keyOf(reference);
        return models.versions().find((version) => version.id === id) ?? null;
      },
    },
    shareable: ['PageInfo'],
    oneOf: ['ExampleInput', 'EmbedInput', 'ImageInput'],
    entitiesCost,
  });
}

/** `_Any` lets anything through. */
function keyOf({ id }: EntityReference): string {
  if (typeof id === 'string') return id;
  if (Number.isSafeInteger(id)) return String(id);
  throw badInput('expected a representation with an id');
}
