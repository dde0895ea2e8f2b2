import { buildSubgraphSchema } from '@apollo/subgraph';
import type { GraphQLResolverMap } from '@apollo/subgraph/dist/schema-helper/index.js';
import {
  type DocumentNode,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  Kind,
  isInputObjectType,
  isObjectType,
  parse,
  printSchema,
  visit,
} from 'graphql';
import { createResolversMap } from 'type-graphql';

/** What federation adds to a schema. */
export interface SubgraphOptions<Context> {
  /** How each entity is found by the key that another subgraph sends. Keys are `id`. */
  readonly entities: Readonly<
    Record<string, (reference: EntityReference, context: Context, info: GraphQLResolveInfo) => unknown>
  >;
  /** Object types that other subgraphs may define alike. */
  readonly shareable: readonly string[];
  /** Inputs of which exactly one field must be given. */
  readonly oneOf: readonly string[];
  /** The price of `_entities`, as `complexity` of type-graphql has it. */
  readonly entitiesCost: unknown;
}

/** What another subgraph knows of an entity. */
export interface EntityReference {
  readonly __typename: string;
  readonly id?: unknown;
}

const HEADER = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
  # Subgraphs must declare it themselves, though it belongs to the GraphQL specification.
  directive @oneOf on INPUT_OBJECT
`;

/** Makes a schema a subgraph of Apollo Federation 2.3: the same types, with directives, `_entities` and `_service`. */
export function toSubgraph<Context>(base: GraphQLSchema, options: SubgraphOptions<Context>): GraphQLSchema {
  for (const name of options.oneOf) {
    const type = base.getType(name);
    if (isInputObjectType(type)) type.isOneOf = true;
  }
  const resolvers = createResolversMap(base);
  for (const [name, resolveReference] of Object.entries(options.entities)) {
    Object.assign(resolvers[name] ?? {}, { __resolveReference: resolveReference });
  }
  const typeDefs = withDirectives(parse(`${printSchema(base)}\n${HEADER}`), {
    ...Object.fromEntries(Object.keys(options.entities).map((name) => [name, '@key(fields: "id")'])),
    ...Object.fromEntries(options.shareable.map((name) => [name, '@shareable'])),
  });
  // The two packages spell the same map with different types.
  const schema = buildSubgraphSchema([{ typeDefs, resolvers: resolvers as GraphQLResolverMap<unknown> }]);
  copyCosts(base, schema);
  const entities = schema.getQueryType()?.getFields()._entities;
  if (entities) entities.extensions = { ...entities.extensions, complexity: options.entitiesCost };
  return schema;
}

/** Adds directives to object types by name. Extensions would not do: `@shareable` holds for the fields of its declaration only. */
function withDirectives(document: DocumentNode, directives: Readonly<Record<string, string>>): DocumentNode {
  return visit(document, {
    ObjectTypeDefinition: (type) => {
      const text = directives[type.name.value];
      if (text === undefined) return undefined;
      const [carrier] = parse(`scalar Carrier ${text}`).definitions;
      return carrier?.kind === Kind.SCALAR_TYPE_DEFINITION
        ? { ...type, directives: carrier.directives }
        : undefined;
    },
  });
}

/** Prices do not survive the way through SDL. */
function copyCosts(from: GraphQLSchema, to: GraphQLSchema): void {
  for (const type of Object.values(from.getTypeMap())) {
    const target = to.getType(type.name);
    if (!isObjectType(type) || !isObjectType(target)) continue;
    const fields = target.getFields();
    for (const [name, { extensions }] of Object.entries(type.getFields())) {
      const field = fields[name];
      if (field && extensions.complexity !== undefined) {
        field.extensions = { ...field.extensions, complexity: extensions.complexity };
      }
    }
  }
}
