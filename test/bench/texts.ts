import { DATA, readRows } from './data.js';

/** Texts in the distributions that the benchmarks name, from a fixed seed; hardly any comes twice. */
export interface Texts {
  /** 4 to 12 words. */
  readonly short: () => string;
  /** 6 to 120 tokens, evenly by length. */
  readonly mixed: () => string;
}

/** Words of product titles as they are in chorus. */
export async function openTexts(): Promise<Texts> {
  const products = await readRows<{ title: string }>(`${DATA}/chorus/products.jsonl.gz`);
  const words = products.flatMap(({ title }) => title.toLowerCase().match(/[a-z]{3,}/g) ?? []);
  let seed = 11;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const some = (count: number): string =>
    Array.from({ length: count }, () => words[random(words.length)] ?? '').join(' ');
  return {
    short: () => some(4 + random(9)),
    // A word of these titles has 1.7 word pieces; two more are special.
    mixed: () => some(Math.max(2, Math.round((4 + random(115)) / 1.7))),
  };
}
