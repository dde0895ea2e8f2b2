import {
  GraphQLObjectType,
  type GraphQLSchema,
  isIntrospectionType,
  isSpecifiedScalarType,
  printType,
} from 'graphql';

/** What federation brings into a subgraph's schema, which gateways use and clients do not. */
const FEDERATION = /^(_Any|_Entity|_Service|_entities|_service|link__.*|federation__.*)$/;

/** The SDL of what clients see. */
export function printApi(schema: GraphQLSchema): string {
  return Object.values(schema.getTypeMap())
    .filter(
      (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type) && !FEDERATION.test(type.name),
    )
    .map((type) => printType(type === schema.getQueryType() ? withoutFederation(type) : type))
    .join('\n\n')
    .concat('\n');
}

function withoutFederation(query: GraphQLObjectType): GraphQLObjectType {
  const config = query.toConfig();
  const fields = Object.fromEntries(Object.entries(config.fields).filter(([name]) => !FEDERATION.test(name)));
  return new GraphQLObjectType({ ...config, fields });
}
