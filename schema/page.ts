import { GraphQLBoolean, GraphQLFloat, GraphQLString } from 'graphql';
import { type ClassType, ArgsType, Field, ID, Int, ObjectType } from 'type-graphql';
import type { ModelVersion } from '../src/models/model-version.js';
import type { Timings } from '../src/search/paging.js';
import type { EntitySource } from './entity.js';
import { ModelVersionType } from './model-version.js';

@ObjectType('PageInfo', {
  description:
    'Where a page stands among the results, as the GraphQL Cursor Connections Specification has it.',
  simpleResolvers: true,
})
class PageInfo {
  @Field(() => GraphQLBoolean, { description: 'Whether more results follow.' })
  hasNextPage!: boolean;

  @Field(() => GraphQLBoolean, { description: 'Whether results go before.' })
  hasPreviousPage!: boolean;

  @Field(() => GraphQLString, {
    nullable: true,
    description: 'Cursor of the first edge; null on an empty page.',
  })
  startCursor!: string | null;

  @Field(() => GraphQLString, {
    nullable: true,
    description: 'Cursor of the last edge, for `after`; null on an empty page.',
  })
  endCursor!: string | null;
}

@ObjectType('SearchTimings', {
  description: 'Where the time of an answer went, in milliseconds.',
  simpleResolvers: true,
})
class SearchTimings implements Timings {
  @Field(() => GraphQLFloat, {
    description: 'Embedding the query or examples; 0 when the results were cached.',
  })
  embed!: number;

  @Field(() => GraphQLFloat, { description: 'The vector store; 0 when the results were cached.' })
  search!: number;

  @Field(() => GraphQLFloat, {
    description: 'From the arguments to the ranked page, without the loading of items.',
  })
  total!: number;
}

/** An edge as its resolvers read it; functions run only when their field is asked for. */
interface EdgeSource {
  readonly score: number;
  readonly relevance: number | null;
  readonly cursor: () => string;
  readonly node: () => Promise<EntitySource | null>;
}

/** A page's place as its resolvers read it. */
interface PageInfoSource {
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  readonly startCursor: () => string | null;
  readonly endCursor: () => string | null;
}

/** A connection as its resolvers read it. */
export interface ConnectionSource {
  readonly edges: readonly EdgeSource[];
  readonly nodes: () => Promise<EntitySource | null>[];
  readonly pageInfo: PageInfoSource;
  readonly modelVersion: ModelVersion;
  readonly took: Timings;
}

/** Generates an entity's connection and edge types. */
export function createConnectionType(name: string, entity: ClassType): ClassType {
  @ObjectType(`${name}Edge`, { description: 'A ranked result.', simpleResolvers: true })
  class Edge {
    @Field(() => GraphQLString, { description: 'Opaque; as `after` it asks for what follows this edge.' })
    cursor!: string;

    @Field(() => GraphQLFloat, {
      description: 'How well it fits; higher is better. Compare scores within one answer only.',
    })
    score!: number;

    @Field(() => GraphQLFloat, {
      nullable: true,
      description:
        'How likely it is what was looked for, 0 to 1, by known pairs of queries and items; comparable between answers and versions. Null unless a SEMANTIC search was answered by a version that is `calibrated`.',
    })
    relevance!: number | null;

    @Field(() => entity, {
      nullable: true,
      description: 'The item; null when it was deleted after the search, or can not be loaded.',
    })
    node!: object;
  }

  @ObjectType(`${name}Connection`, { description: 'A page of ranked results.', simpleResolvers: true })
  class Connection {
    @Field(() => [Edge], { description: 'The results with score and cursor, best first.' })
    edges!: Edge[];

    @Field(() => [entity], { nullable: 'items', description: 'The items alone, best first.' })
    nodes!: object[];

    @Field(() => PageInfo, { description: 'Where the page stands.' })
    pageInfo!: PageInfo;

    @Field(() => ModelVersionType, { description: 'The version of the model that made this answer.' })
    modelVersion!: ModelVersionType;

    @Field(() => SearchTimings, { nullable: true, description: 'Where the time went.' })
    took!: SearchTimings;
  }
  return Connection;
}

/** Arguments of every field that answers a page. */
export interface PageArguments {
  readonly filter?: object | null;
  readonly first: number;
  readonly after?: string | null;
  readonly modelVersion?: string | null;
}

/** Generates the arguments of an entity's pages. */
export function createPageArguments(filter: ClassType): ClassType<PageArguments> {
  @ArgsType()
  class PageArgs implements PageArguments {
    @Field(() => filter, { nullable: true, description: 'Which items may come back.' })
    filter?: object | null;

    @Field(() => Int, {
      defaultValue: 10,
      description: 'Results on the page, 1 to `limits.pageSize` (100 by default).',
    })
    first!: number;

    @Field(() => GraphQLString, {
      nullable: true,
      description: 'Cursor behind which the page starts, out of an answer to the same query and filter.',
    })
    after?: string | null;

    @Field(() => ID, {
      nullable: true,
      description:
        'Id of a model version, or `stable` or `candidate`. Without it the version of `after` answers, else the one that the traffic policy chooses.',
    })
    modelVersion?: string | null;
  }
  return PageArgs;
}
