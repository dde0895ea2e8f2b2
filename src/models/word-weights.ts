import { ImportError } from '../catalogue/import-error.js';
import { splitLines } from '../catalogue/lines.js';
import { openSourceFile } from '../catalogue/source-file.js';
import { sifWeight, zipfProbabilities } from '../embedding/word-vectors/sif.js';
import type { Vocabulary } from '../embedding/word-vectors/vocabulary.js';
import { openAppender } from './append-file.js';

const LONGEST_LINE = 1 << 20;

/** What the weights of a table come from. */
export interface WeightOptions {
  readonly vocabulary: Vocabulary;
  /** What int8 rows were divided by; empty for float32 rows. */
  readonly scales: readonly number[];
  /** A file of words and their counts; default: Zipf's law of the rank, as the words of most files are in the order of frequency. */
  readonly frequencies?: string;
  /** The `a` of smooth inverse frequency; 0 gives every word the same weight. */
  readonly a: number;
}

/** Writes what each row is multiplied with: its SIF weight, times its scale. Throws ImportError for a faulty file of counts. */
export async function writeWeights(
  path: string,
  { vocabulary, scales, frequencies, a }: WeightOptions,
): Promise<void> {
  const words = vocabulary.size();
  const probabilities =
    frequencies === undefined ? zipfProbabilities(words) : await readProbabilities(frequencies, vocabulary);
  const weights = Float32Array.from(
    probabilities,
    (p, row) => (a === 0 ? 1 : sifWeight(p, a)) * (scales[row] ?? 1),
  );
  const file = await openAppender(path);
  await file.append(Buffer.from(weights.buffer));
  await file.close();
}

/** Probabilities of the vocabulary's words from lines of a word and its count; 0 for a word that is not counted. */
async function readProbabilities(path: string, vocabulary: Vocabulary): Promise<Float64Array> {
  const source = await openSourceFile(path);
  const counts = new Float64Array(vocabulary.size());
  let total = 0;
  try {
    for await (const line of splitLines(source.chunks(), LONGEST_LINE)) {
      if ('fault' in line) throw new ImportError(`${path}: line ${String(line.line)}: ${line.fault}`);
      if (line.text.trim() === '') continue;
      const [, word, text] = /^(\S+)\s+(\S+)\s*$/.exec(line.text) ?? [];
      const count = Number(text);
      if (word === undefined || !(count >= 0) || !Number.isFinite(count))
        throw new ImportError(`${path}: line ${String(line.line)}: expected a word and its count`);
      total += count;
      const row = vocabulary.rowOf(word);
      if (row >= 0) counts[row] = (counts[row] ?? 0) + count;
    }
  } finally {
    await source.close();
  }
  if (total === 0) throw new ImportError(`${path}: expected words and their counts, received none`);
  return counts.map((count) => count / total);
}
