import {
  type GraphQLSchema,
  type OperationDefinitionNode,
  type DocumentNode,
  GraphQLError,
  Kind,
} from 'graphql';
import {
  type ComplexityEstimator,
  fieldExtensionsEstimator,
  getComplexity,
  simpleEstimator,
} from 'graphql-query-complexity';
import { LRUCache } from 'lru-cache';
import { limitError } from './public-error.js';
import { variableShape } from './variable-shape.js';

/** Costs kept of each operation: one for each shape of its variables. */
const SHAPES = 32;

export interface CostedOperation {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  /** Variables as the client sent them. */
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  readonly context: object;
}

/** A field with a page size costs one plus its children once for each item: arguments and bound variables both count. */
const pageEstimator: ComplexityEstimator = ({ args, childComplexity }) => {
  const { first } = args as { first?: unknown };
  return typeof first === 'number' ? 1 + Math.max(0, first) * childComplexity : undefined;
};

/**
 * Makes the check of an operation's cost: the sum over its fields of their price (type-graphql's `complexity`, else 1) times the
 * page sizes above them. The check throws BAD_USER_INPUT (TOO_COSTLY) over `maxCost`, before anything is executed.
 */
export function createCostCheck(
  schema: GraphQLSchema,
  maxCost: number,
): (operation: CostedOperation) => void {
  const estimators = [fieldExtensionsEstimator(), pageEstimator, simpleEstimator({ defaultComplexity: 1 })];
  // Walking an operation and reading its variables takes as long as executing a small one, and most that come are asked again.
  const known = new WeakMap<OperationDefinitionNode, LRUCache<string, number>>();
  const knownOf = (operation: OperationDefinitionNode): LRUCache<string, number> => {
    let costs = known.get(operation);
    if (costs === undefined) known.set(operation, (costs = new LRUCache({ max: SHAPES })));
    return costs;
  };

  const estimate = ({ document, operation, variables, context }: CostedOperation): number => {
    // Other operations of the document are not executed, so they cost nothing.
    const definitions = document.definitions.filter(
      (each) => each === operation || each.kind === Kind.FRAGMENT_DEFINITION,
    );
    return getComplexity({
      schema,
      query: { ...document, definitions },
      estimators,
      variables: { ...variables },
      context: { ...context },
      maxQueryNodes: Number.MAX_SAFE_INTEGER, // checkShape has bounded them
    });
  };

  return (costed) => {
    const costs = knownOf(costed.operation);
    const shape = variableShape(costed.variables ?? {});
    let cost = shape === undefined ? undefined : costs.get(shape);
    if (cost === undefined) {
      try {
        cost = estimate(costed);
      } catch (error) {
        // Variables that don't fit: execution refuses them with the proper error before any resolver runs.
        if (error instanceof GraphQLError) return;
        throw error;
      }
      if (shape !== undefined) costs.set(shape, cost);
    }
    if (cost > maxCost) {
      throw limitError('TOO_COSTLY', `The operation costs ${cost}; at most ${maxCost} is allowed.`, {
        cost,
        limit: maxCost,
      });
    }
  };
}
