import type { Vocabulary } from './vocabulary.js';

/** Letters, marks and digits, also joined by what stands inside words, names and numbers: don't, e-mail, 3.5, AT&T. */
const CHUNK = /[\p{L}\p{M}\p{N}]+(?:['’.&/-][\p{L}\p{M}\p{N}]+)*/gu;
const PART = /[\p{L}\p{M}\p{N}]+/gu;
/** English contractions as the Penn Treebank, and with it GloVe, splits them: do n't, she 's. */
const CONTRACTION = /^(.+?)(n't|'(?:s|re|ve|ll|d|m))$/i;
/** Scripts that put no space between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

export interface WordReaderOptions {
  readonly vocabulary: Vocabulary;
  /** Whether the vocabulary knows lower case only. */
  readonly lowerCase: boolean;
  /** Words that an entry such as `new_york` joins at most. */
  readonly phrases: number;
  /** Words of a text that are read at most. */
  readonly maxWords: number;
}

/** A text as rows of the table. */
export interface WordRows {
  /** Of the words that the vocabulary knows, in their order. */
  readonly rows: readonly number[];
  /** All words, the unknown ones too. */
  readonly words: number;
  /** Whether the text had more words than are read. */
  readonly truncated: boolean;
}

/**
 * Makes the reader of a vocabulary. What the vocabulary knows as a whole (e-mail, u.s.) stays whole; what it doesn't is split. Unknown
 * words count, and are passed over.
 */
export function createWordReader(options: WordReaderOptions): (text: string) => WordRows {
  const { vocabulary, lowerCase, phrases, maxWords } = options;
  const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' });

  const rowOf = (word: string): number => {
    const row = vocabulary.rowOf(word);
    return row >= 0 || lowerCase ? row : vocabulary.rowOf(word.toLowerCase());
  };

  const split = (chunk: string): string[] => {
    if (rowOf(chunk) >= 0) return [chunk];
    const [, word, ending] = CONTRACTION.exec(chunk) ?? [];
    if (word !== undefined && ending !== undefined) return [...split(word), ending];
    const parts = chunk.match(PART) ?? [];
    return parts.flatMap((part) =>
      UNSPACED.test(part) && rowOf(part) < 0
        ? Array.from(segmenter.segment(part), ({ segment }) => segment)
        : [part],
    );
  };

  const phraseAt = (words: readonly string[], at: number): { row: number; length: number } => {
    for (let length = Math.min(phrases, words.length - at); length > 1; length--) {
      const row = rowOf(words.slice(at, at + length).join('_'));
      if (row >= 0) return { row, length };
    }
    return { row: rowOf(words[at] ?? ''), length: 1 };
  };

  return (text) => {
    const words: string[] = [];
    for (const [match] of (lowerCase ? text.toLowerCase() : text).matchAll(CHUNK)) {
      words.push(...split(match.replaceAll('’', "'")));
      if (words.length > maxWords) break;
    }
    const truncated = words.length > maxWords;
    if (truncated) words.length = maxWords;
    const rows: number[] = [];
    for (let at = 0; at < words.length;) {
      const { row, length } = phraseAt(words, at);
      if (row >= 0) rows.push(row);
      at += length;
    }
    return { rows, words: words.length, truncated };
  };
}
