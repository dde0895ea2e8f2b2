import { Ctx, Query, Resolver } from 'type-graphql';
import { ModelVersionType } from '../schema/model-version.js';
import type { ModelVersion } from '../src/models/model-version.js';
import type { RequestContext } from './context.js';

/** Resolves `Query.models`. */
@Resolver()
export class ModelResolver {
  @Query(() => [ModelVersionType], {
    description: 'All versions of the embedding model behind this gateway.',
  })
  models(@Ctx() { registry }: RequestContext): ModelVersion[] {
    return registry.versions();
  }
}
