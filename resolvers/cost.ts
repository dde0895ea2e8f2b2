import type { ComplexityEstimatorArgs } from 'graphql-query-complexity';

/** The price of a page before its items: a query may have to be embedded and searched for. */
const PAGE_PRICE = 10;
/** The price of one text to embed. */
const TEXT_PRICE = 10;
/** The price of one image to fetch, decode and embed. */
const IMAGE_PRICE = 50;

/** An input that may be an image. */
interface Priced {
  readonly image?: unknown;
}

function pricesOf(inputs: readonly Priced[]): number {
  return inputs.reduce((sum, { image }) => sum + (image ? IMAGE_PRICE : TEXT_PRICE), 0);
}

/** A page costs its base price, and its children once for each result that may come. */
export function pageCost({ args, childComplexity }: ComplexityEstimatorArgs): number {
  return PAGE_PRICE + Math.max(1, Number(args.first)) * childComplexity;
}

/** A recommendation also costs a text or an image for each example. */
export function recommendCost(given: ComplexityEstimatorArgs): number {
  const { like, dislike } = given.args as { like: Priced[]; dislike: Priced[] };
  return pageCost(given) + pricesOf([...like, ...dislike]);
}

/** `embed` costs a text or an image, and its children, for each input. */
export function embedCost({ args, childComplexity }: ComplexityEstimatorArgs): number {
  const { inputs } = args as { inputs: Priced[] };
  return pricesOf(inputs) + inputs.length * childComplexity;
}

/** `_entities` costs its children once for each entity asked for. */
export function entitiesCost({ args, childComplexity }: ComplexityEstimatorArgs): number {
  return (args as { representations: unknown[] }).representations.length * (1 + childComplexity);
}
