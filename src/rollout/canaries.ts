import { KindredError } from '../errors.js';
import type { Embedder } from '../embedding/embedder.js';
import { dot } from '../vectors/unit-vectors.js';
import type { StateStore } from './state-store.js';

/** Texts whose vectors have to stay what they were: of several lengths, scripts and kinds, so that no change leaves all of them alone. */
const TEXTS: readonly string[] = [
  'a waterproof jacket for hiking',
  'red',
  'How do I descale a kettle?',
  'stainless steel water bottle, 750 ml, keeps drinks cold for 24 hours',
  'gift for a five-year-old who loves dinosaurs',
  'USB-C charger 65 W with two ports',
  'The quick brown fox jumps over the lazy dog.',
  'machine à café avec broyeur',
  'wasserdichte Wanderschuhe Größe 42',
  'zapatillas para correr mujer',
  '静音键盘',
  'тёплая зимняя куртка',
  'سماعات لاسلكية',
  'ISBN 978-3-16-148410-0',
  '1,299.00 GBP incl. VAT',
  'cheap flights to nowhere!!! 🎉',
  'antidisestablishmentarianism',
  'not for children under three years',
  'soft cotton t-shirt with a round neck and short sleeves, machine washable at 40 degrees, made of organic cotton',
  'x',
];

/** How far vectors have moved from those that were recorded. */
export interface Drift {
  /** The least cosine over all texts, -1 to 1. */
  readonly cosine: number;
  readonly text: string;
}

/** Embeds the canary strings past every cache; null for a text that the model refuses. Rejects while the model can't answer. */
async function embedCanaries(embedder: Embedder): Promise<(Float32Array | null)[]> {
  // What fills a cache is no bulk work, and what is bulk work asks none.
  const outcomes = await embedder.embed(TEXTS, { purpose: 'document', lane: 'bulk' });
  return outcomes.map((outcome) => {
    if (!(outcome instanceof KindredError)) return outcome.vector;
    if (outcome.retry) throw outcome;
    return null;
  });
}

/**
 * Compares a model with what it was when it was first seen here, which is recorded then; undefined when it is the same. The record is kept by the
 * model's digest, so a model that names its own change is another one.
 */
export async function driftOf(
  embedder: Embedder,
  record: StateStore,
  minCosine: number,
): Promise<Drift | undefined> {
  const vectors = await embedCanaries(embedder);
  const stored = await record.read();
  if (stored === null) {
    await record.write(null, JSON.stringify(vectors.map((vector) => vector && encode(vector))));
    return undefined;
  }
  const known = JSON.parse(stored.text) as (string | null)[];
  let worst: Drift | undefined;
  vectors.forEach((vector, at) => {
    const [before, text] = [known[at] ?? null, TEXTS[at] ?? ''];
    if (vector === null || before === null) {
      // A text that was embedded and is refused now, or the other way round.
      if (vector !== null || before !== null) worst = { cosine: -1, text };
      return;
    }
    const recorded = decode(before);
    const cosine = recorded.length === vector.length ? dot(recorded, vector) : -1;
    if (cosine < minCosine && cosine < (worst?.cosine ?? 2)) worst = { cosine, text };
  });
  return worst;
}

function encode(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
}

function decode(text: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return new Float32Array(bytes.buffer);
}
