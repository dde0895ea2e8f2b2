/** A share of the first k hits of one ranking that another one's first k hold, 0 to 1; of two empty ones all. */
export function overlapAt(k: number, a: readonly string[], b: readonly string[]): number {
  const [first, second] = [a.slice(0, k), new Set(b.slice(0, k))];
  const size = Math.max(first.length, second.size);
  return size === 0 ? 1 : first.filter((id) => second.has(id)).length / size;
}

/**
 * Kendall's tau-b of two rankings over the items that both hold, -1 to 1 (Kendall 1945; without ties it is tau-a). Undefined for fewer than two such
 * items.
 */
export function rankCorrelation(a: readonly string[], b: readonly string[]): number | undefined {
  const place = new Map(b.map((id, at) => [id, at]));
  const places = a.flatMap((id) => place.get(id) ?? []);
  const pairs = (places.length * (places.length - 1)) / 2;
  if (pairs === 0) return undefined;
  let agreeing = 0;
  places.forEach((first, at) => {
    for (const second of places.slice(at + 1)) agreeing += first < second ? 1 : -1;
  });
  return agreeing / pairs;
}

/** The value at `share` (0 to 1) of numbers, by linear interpolation between the nearest two; NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? NaN, sorted[Math.ceil(at)] ?? NaN];
  return low + (high - low) * (at - Math.floor(at));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A generator of numbers between 0 and 1 that a seed decides (mulberry32), so that a gate comes to the same result each time. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * The interval in which the ratio of two means lies with 95% confidence, by the percentile bootstrap over pairs (Efron & Tibshirani 1993, chapter 13):
 * both values of a pair are drawn together, since both models had the same query. Samples whose second mean is 0 are left out.
 */
export function bootstrapRatio(
  pairs: readonly (readonly [number, number])[],
  samples: number,
  random: () => number = seededRandom(1),
): { readonly low: number; readonly high: number } {
  const ratios: number[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    const drawn = pairs.map(() => pairs[Math.floor(random() * pairs.length)] ?? [0, 0]);
    const above = drawn.reduce((sum, [first]) => sum + first, 0);
    const below = drawn.reduce((sum, [, second]) => sum + second, 0);
    if (below > 0) ratios.push(above / below);
  }
  return { low: quantile(ratios, 0.025), high: quantile(ratios, 0.975) };
}
