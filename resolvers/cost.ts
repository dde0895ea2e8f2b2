import type { ComplexityEstimatorArgs } from 'graphql-query-complexity';

/** The price of a page before its items: a query may have to be embedded and searched for. */
const PAGE_PRICE = 10;
/** The price of one text to embed. */
const TEXT_PRICE = 10;

/** A page costs its base price, and its children once for each result that may come. */
export function pageCost({ args, childComplexity }: ComplexityEstimatorArgs): number {
  return PAGE_PRICE + Math.max(1, Number(args.first)) * childComplexity;
}

/** A recommendation also costs a text for each example. */
export function recommendCost(given: ComplexityEstimatorArgs): number {
  const { like, dislike } = given.args as { like: unknown[]; dislike: unknown[] };
  return pageCost(given) + TEXT_PRICE * (like.length + dislike.length);
}

/** `embed` costs a text, and its children, for each input. */
export function embedCost({ args, childComplexity }: ComplexityEstimatorArgs): number {
  return (args as { inputs: unknown[] }).inputs.length * (TEXT_PRICE + childComplexity);
}

/** `_entities` costs its children once for each entity asked for. */
export function entitiesCost({ args, childComplexity }: ComplexityEstimatorArgs): number {
  return (args as { representations: unknown[] }).representations.length * (1 + childComplexity);
}
