import { CANONICAL, IDEOGRAPH, MARK, PUNCTUATION, REMOVED, SPACE, classTable } from './wordpiece-classes.js';
import type { ReadWord } from './wordpiece-vocabulary.js';

/** Marks that strip_accents removes and NFD moves. */
const ACCENT = MARK | CANONICAL;

/** The settings of tokenizers' BertNormalizer. */
export interface BertNormalizer {
  readonly cleanText: boolean;
  readonly chineseCharacters: boolean;
  readonly stripAccents: boolean;
  readonly lowercase: boolean;
}

/** Appends the ids of a text to `ids` until there are `most` of them or a few more. */
export type ReadText = (text: string, ids: number[], most: number) => void;

/**
 * Cuts texts into words as tokenizers' BertNormalizer and BertPreTokenizer do and reads each by `readWord`, in one pass and without a
 * string for any word. `maxWord`: code points of a word at most; what a longer one holds beyond is not kept.
 */
export function createWordReader(
  { cleanText, chineseCharacters, stripAccents, lowercase }: BertNormalizer,
  maxWord: number,
  readWord: ReadWord,
): ReadText {
  const classes = classTable(
    SPACE |
      PUNCTUATION |
      (cleanText ? REMOVED : 0) |
      (chineseCharacters ? IDEOGRAPH : 0) |
      (stripAccents ? ACCENT : 0),
  );
  const lower = lowercase ? lowercaseTable() : undefined;

  const word = new Uint16Array((maxWord + 1) * 2);
  let [length, characters] = [0, 0];

  const endWord = (ids: number[]): void => {
    if (characters > 0) readWord(word, length, characters, ids);
    length = characters = 0;
  };
  /** Adds a code point to the word; beyond the longest word they are only counted. */
  const append = (code: number): void => {
    if (++characters > maxWord) return;
    if (code > 0xffff) {
      word[length++] = 0xd800 + ((code - 0x10000) >> 10);
      word[length++] = 0xdc00 + (code & 0x3ff);
    } else word[length++] = code;
  };
  /** Takes a normalized code point, but for its case. */
  const take = (code: number, ids: number[]): void => {
    const kind = classes[code] ?? 0;
    if (kind & MARK) return;
    if (kind & (SPACE | PUNCTUATION)) {
      endWord(ids);
      if (kind & SPACE) return;
      append(code);
      endWord(ids);
    } else if (!lower) append(code);
    else if (code <= 0xffff && lower[code] !== 0) append(lower[code] ?? code);
    else for (const char of String.fromCodePoint(code).toLowerCase()) append(char.codePointAt(0) ?? 0);
  };
  const takeAll = (text: string, ids: number[]): void => {
    for (const char of text) take(char.codePointAt(0) ?? 0, ids);
  };
  /** Decompositions so far: as many as Unicode has at most. */
  const forms = new Map<number, string>();
  const decompose = (code: number): string => {
    let form = forms.get(code);
    if (form === undefined) forms.set(code, (form = String.fromCodePoint(code).normalize('NFD')));
    return form;
  };

  return (text, ids, most) => {
    length = characters = 0;
    // A decomposed character and the marks after it, which NFD puts in order; it moves none past a character that it leaves alone.
    let run = '';
    let marks = false;
    for (let at = 0; at < text.length && ids.length < most; at++) {
      let code = text.charCodeAt(at);
      // Nearly all of nearly every text: nothing to decompose, no surrogate, one code unit in lower case.
      if (code < 128 && run === '' && classes[code] === 0) {
        if (++characters <= maxWord) word[length++] = lower ? (lower[code] ?? code) : code;
        continue;
      }
      if (code >= 0xd800 && code <= 0xdbff) {
        code = text.codePointAt(at) ?? code;
        if (code > 0xffff) at++;
      }
      const kind = classes[code] ?? 0;
      // Wherever NFD would put an accent, it goes. Ordering a thousand of them first would take quadratic time.
      if (kind & REMOVED || (kind & ACCENT) === ACCENT) continue;
      const form = kind & CANONICAL ? decompose(code) : '';
      const ordered = form.codePointAt(0) === code && !(kind & IDEOGRAPH);
      // As for the marks that stay: the order in a word that is too long, and so unknown, is no matter.
      if (run !== '' && (!ordered || run.length > word.length)) {
        takeAll(marks ? run.normalize('NFD') : run, ids);
        run = '';
        marks = false;
      }
      if (kind & IDEOGRAPH) {
        endWord(ids);
        if (form === '') take(code, ids);
        else takeAll(form, ids);
        endWord(ids);
      } else if (form === '') take(code, ids);
      else {
        run += form;
        marks ||= ordered;
      }
    }
    if (run !== '') takeAll(marks ? run.normalize('NFD') : run, ids);
    endWord(ids);
  };
}

/** Lower case of code units, 0 where it is more than one. */
function lowercaseTable(): Uint16Array {
  return Uint16Array.from({ length: 0x10000 }, (_, code) => {
    const lower = String.fromCharCode(code).toLowerCase();
    return lower.length === 1 ? lower.charCodeAt(0) : 0;
  });
}
