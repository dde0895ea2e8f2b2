import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WordVectorsManifest } from '../../models/manifest.js';
import { openTable } from './table.js';
import { parseVocabulary } from './vocabulary.js';
import { type WordRows, createWordReader } from './words.js';

/** Numbers this much smaller than what they were summed from are rounding. */
const ROUNDING = 1e-9;

/** What opens a table: the part of model.json that says how texts are read. */
export type AverageOptions = Pick<
  WordVectorsManifest,
  'dimension' | 'vocabulary' | 'table' | 'storage' | 'weights' | 'lowerCase' | 'phrases' | 'maxTokens'
> & {
  readonly folder: string;
  /** The direction that is taken out, of norm 1, `[dimension]`. */
  readonly component?: Float32Array;
};

/** Texts as averages of their words' vectors. */
export interface Averager {
  /** Words in the table. */
  readonly rows: number;
  read(text: string): WordRows;
  /** The weighted mean of rows without the common component, `[dimension]`, not normalised; undefined when nothing is left of it. */
  average(rows: readonly number[]): Float64Array | undefined;
  close(): void;
}

/**
 * Opens vocabulary, weights and table. Averages follow Arora, Liang and Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings"
 * (2017): each word by its weight of smooth inverse frequency, then the common component is removed.
 */
export async function openAverager(options: AverageOptions): Promise<Averager> {
  const { folder, dimension, component } = options;
  const vocabulary = parseVocabulary(await readFile(join(folder, options.vocabulary)));
  const weights = floatsOf(await readFile(join(folder, options.weights)));
  const table = openTable({ ...options, path: join(folder, options.table) });
  if (vocabulary.size() !== table.rows || weights.length !== table.rows) {
    table.close();
    throw new Error(
      `expected as many words and weights as the table has rows, but got ${String(vocabulary.size())} words, ${String(weights.length)} weights and ${String(table.rows)} rows`,
    );
  }
  const read = createWordReader({ ...options, vocabulary, maxWords: options.maxTokens });
  return {
    rows: table.rows,
    read,
    average: (rows) => {
      const sum = new Float64Array(dimension);
      for (const row of rows) table.add(row, (weights[row] ?? 0) / rows.length, sum);
      const before = Math.hypot(...sum);
      if (component) removeComponent(sum, component);
      // NaN is told later: it is no zero.
      return before === 0 || Math.hypot(...sum) < ROUNDING * before ? undefined : sum;
    },
    close: () => {
      table.close();
    },
  };
}

function removeComponent(sum: Float64Array, component: Float32Array): void {
  const share = sum.reduce((total, value, at) => total + value * (component[at] ?? 0), 0);
  for (let at = 0; at < sum.length; at++) sum[at] = (sum[at] ?? 0) - share * (component[at] ?? 0);
}

/** Little-endian float32 numbers; a copy, since a Buffer may start anywhere. */
function floatsOf(bytes: Buffer): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}
