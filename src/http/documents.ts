import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  OperationTypeNode,
  type ValidationContext,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Config } from '../config.js';
import { failSpan, SPAN, type Telemetry } from '../telemetry.js';
import { checkShape } from './document-limits.js';
import { scanDocument } from './document-scan.js';
import { limitError } from './public-error.js';

/** Documents kept, and characters in all of them together, at most. */
const CACHE = { max: 2_000, maxSize: 8_388_608 };

/** A document that may be executed, or why not. */
export type Prepared =
  { document: DocumentNode; errors?: undefined } | { document?: undefined; errors: readonly GraphQLError[] };

export interface DocumentsOptions {
  readonly schema: GraphQLSchema;
  readonly limits: Config['limits'];
  readonly production: boolean;
  readonly telemetry: Telemetry;
}

/** Makes the function that scans, parses, bounds and validates a query text; good documents are kept by their hash. */
export function createDocuments({
  schema,
  limits,
  production,
  telemetry,
}: DocumentsOptions): (hash: string, source: string) => Prepared {
  const known = new LRUCache<string, DocumentNode>(CACHE);
  // Every level of a selection and of a filter may open two brackets.
  const scan = { maxNesting: 4 * (limits.depth + limits.filterDepth), maxIgnored: limits.tokens };
  const rules = [
    ...specifiedRules,
    knownOperationRule,
    ...(production ? [NoSchemaIntrospectionCustomRule, noServiceRule] : []),
  ];
  const traced = <T>(name: string, work: () => T): T => {
    const span = telemetry.tracer.startSpan(name);
    try {
      return work();
    } catch (error) {
      failSpan(span, error);
      throw error;
    } finally {
      span.end();
    }
  };
  const read = (source: string): DocumentNode => {
    scanDocument(source, scan);
    const document = parseBounded(source, limits.tokens);
    checkShape(document, limits);
    return document;
  };

  return (hash, source) => {
    const kept = known.get(hash);
    if (kept) return { document: kept };
    let document: DocumentNode;
    try {
      document = traced(SPAN.graphqlParse, () => read(source));
    } catch (error) {
      if (error instanceof GraphQLError) return { errors: [error] };
      throw error;
    }
    // Production shows one uniform error, so the first fault is enough.
    const errors = traced(SPAN.graphqlValidate, () =>
      validate(schema, document, rules, { maxErrors: production ? 1 : 20, hideSuggestions: production }),
    );
    if (errors.length > 0) return { errors: (production ? errors.slice(0, 1) : errors).map(invalid) };
    known.set(hash, document, { size: Math.max(1, source.length) });
    return { document };
  };
}

function parseBounded(source: string, maxTokens: number): DocumentNode {
  try {
    return parse(source, { maxTokens });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    if (error.message.includes(`Document contains more that ${maxTokens} tokens`))
      throw limitError('TOO_MANY_TOKENS', `The document has more than ${maxTokens} tokens.`, {
        limit: maxTokens,
      });
    throw recode(error, 'GRAPHQL_PARSE_FAILED');
  }
}

function invalid(error: GraphQLError): GraphQLError {
  return recode(error, 'GRAPHQL_VALIDATION_FAILED');
}

function recode(error: GraphQLError, code: string): GraphQLError {
  const { message, nodes, source, positions, extensions } = error;
  return new GraphQLError(message, {
    nodes,
    source,
    positions,
    originalError: error,
    extensions: { ...extensions, code, http: { status: 400 } },
  });
}

/** graphql-js validates nothing below a root type that the schema lacks; subscriptions are never served. */
function knownOperationRule(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition(node) {
      if (
        node.operation !== OperationTypeNode.SUBSCRIPTION &&
        context.getSchema().getRootType(node.operation)
      )
        return;
      context.reportError(new GraphQLError(`A ${node.operation} is not supported here.`, { nodes: node }));
    },
  };
}

/** `_service { sdl }` of a federated subgraph is introspection by another name. */
function noServiceRule(context: ValidationContext): ASTVisitor {
  return {
    Field(node) {
      if (node.name.value === '_service' && context.getParentType() === context.getSchema().getQueryType())
        context.reportError(new GraphQLError('The schema is not served in production.', { nodes: node }));
    },
  };
}
