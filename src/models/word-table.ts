import { join } from 'node:path';
import { ImportError } from '../catalogue/import-error.js';
import { openSourceFile } from '../catalogue/source-file.js';
import { createVocabulary } from '../embedding/word-vectors/vocabulary.js';
import { openAppender } from './append-file.js';
import { type BadVectorRow, type VectorRow, readVectors } from './vector-file.js';
import { type WeightOptions, writeWeights } from './word-weights.js';

/** Names of the files of a table of word vectors. */
export const WORD_FILES = {
  vocabulary: 'vocabulary.txt',
  table: 'vectors.bin',
  weights: 'weights.bin',
} as const;

export interface WordTableOptions extends Pick<WeightOptions, 'frequencies' | 'a'> {
  readonly file: string;
  /** Where WORD_FILES go. */
  readonly folder: string;
  readonly quantize: boolean;
  /** Words to keep, from the beginning; default: all. */
  readonly limit?: number;
  readonly onBadRow: (row: BadVectorRow) => void;
  readonly onProgress: (progress: TableProgress) => void;
}

/** How far reading has come. */
export interface TableProgress {
  readonly rows: number;
  readonly rejected: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** What a table holds. */
export interface WordTable {
  readonly words: number;
  readonly rejected: number;
  readonly dimension: number;
  /** Whether hardly any word has an upper-case letter. */
  readonly lowerCase: boolean;
  /** Most words that `_` joins in one entry; 1 where it joins none. */
  readonly phrases: number;
  /** The first words, for a probe text. */
  readonly firstWords: readonly string[];
}

const INT8_MOST = 127;
const MOST_PHRASE_WORDS = 8;
const FIRST_WORDS = 50;
/** Rows between two reports. */
const REPORT_ROWS = 1_000;
/** Bad rows in a hundred from which on the file is taken for something else. */
const MOST_BAD_PERCENT = 1;
const ENOUGH_BAD_ROWS = 20;
/** One word with capitals in so many makes a vocabulary that tells them apart. */
const UPPER_CASE_ONE_IN = 1_000;
/** One phrase in so many words makes a vocabulary of phrases; a few entries with `_` are noise of the corpus. */
const PHRASES_ONE_IN = 1_000;

/**
 * Writes vocabulary, table and weights from a file of word vectors in constant memory but for the vocabulary. Rows that can't be used,
 * and words that stand there twice, are reported and left out. Throws ImportError when nothing, or hardly anything, can be used.
 */
export async function writeWordTable(options: WordTableOptions): Promise<WordTable> {
  const { file, folder, quantize, limit = Infinity, onBadRow, onProgress } = options;
  const source = await openSourceFile(file);
  const names = await openAppender(join(folder, WORD_FILES.vocabulary));
  const table = await openAppender(join(folder, WORD_FILES.table));
  const vocabulary = createVocabulary();
  const scales: number[] = [];
  const firstWords: string[] = [];
  const phraseWords = new Map<number, number>();
  let [rejected, upperCase, dimension] = [0, 0, 0];

  const keep = async ({ line, word, vector }: VectorRow): Promise<void> => {
    dimension = vector.length;
    if (vocabulary.add(word) === -1) {
      refuse({ line, fault: 'the word stands in the file before' });
      return;
    }
    const text = word.toString('utf8');
    if (firstWords.length < FIRST_WORDS && /^\p{L}{3,}$/u.test(text)) firstWords.push(text);
    if (text !== text.toLowerCase()) upperCase += 1;
    const joined = text.split('_').filter((part) => part !== '').length;
    if (joined > 1) phraseWords.set(joined, (phraseWords.get(joined) ?? 0) + 1);
    await names.append(Buffer.concat([word, Buffer.from('\n')]));
    if (quantize) {
      const scale = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / INT8_MOST;
      scales.push(scale);
      await table.append(
        Buffer.from(Int8Array.from(vector, (value) => Math.round(value / (scale || 1))).buffer),
      );
    } else await table.append(Buffer.from(vector.buffer));
  };
  const refuse = (row: BadVectorRow): void => {
    rejected += 1;
    onBadRow(row);
    const rows = vocabulary.size() + rejected;
    if (rejected >= ENOUGH_BAD_ROWS && rejected * 100 > rows * MOST_BAD_PERCENT)
      throw new ImportError(
        `${file}: expected word vectors, but ${String(rejected)} of ${String(rows)} rows are none; the last one, line ${String(row.line)}: ${row.fault}`,
      );
  };

  try {
    for await (const row of readVectors(source.chunks())) {
      if ('fault' in row) refuse(row);
      else await keep(row);
      const rows = vocabulary.size();
      if (rows % REPORT_ROWS === 0)
        onProgress({ rows, rejected, bytes: source.bytesRead(), totalBytes: source.size });
      if (rows >= limit) break;
    }
  } finally {
    await Promise.all([names.close(), table.close(), source.close()]);
  }
  const words = vocabulary.size();
  if (words === 0) throw new ImportError(`${file}: expected word vectors, received none that can be used`);
  onProgress({ rows: words, rejected, bytes: source.size, totalBytes: source.size });
  await writeWeights(join(folder, WORD_FILES.weights), { ...options, vocabulary, scales });
  return {
    words,
    rejected,
    dimension,
    lowerCase: upperCase * UPPER_CASE_ONE_IN < words,
    phrases: phrasesOf(phraseWords, words),
    firstWords,
  };
}

function phrasesOf(counts: ReadonlyMap<number, number>, words: number): number {
  const common = [...counts].filter(
    ([joined, count]) => joined <= MOST_PHRASE_WORDS && count * PHRASES_ONE_IN >= words,
  );
  return Math.max(1, ...common.map(([joined]) => joined));
}
