/** Words and their rows, kept as bytes: a tenth of what a Map of strings takes, and every worker holds one. */
export interface Vocabulary {
  size(): number;
  /** Adds a word in UTF-8 as the next row and returns that row; -1 when it is known already. */
  add(word: Uint8Array): number;
  /** The row of a word; -1 when it is unknown. */
  rowOf(word: string): number;
}

const LINE_FEED = 0x0a;
/** Bytes of the longest word that is looked up; no vocabulary has longer ones. */
const LONGEST_WORD = 1_024;

/** Makes an empty vocabulary: a hash table with open addressing over one run of bytes. */
export function createVocabulary(): Vocabulary {
  let bytes = new Uint8Array(1 << 16);
  /** Where each word ends in `bytes`. */
  let ends = new Uint32Array(1 << 12);
  /** Row + 1 by hash; 0 is free. A power of two, at most half full. */
  let slots = new Uint32Array(1 << 13);
  let count = 0;
  const scratch = new Uint8Array(LONGEST_WORD);
  const encoder = new TextEncoder();

  const startOf = (row: number): number => (row === 0 ? 0 : (ends[row - 1] ?? 0));

  /** The slot that holds the word, or the free one where it belongs. */
  const slotOf = (word: Uint8Array, length: number): number => {
    const mask = slots.length - 1;
    let slot = hashOf(word, length) & mask;
    for (;;) {
      const row = (slots[slot] ?? 0) - 1;
      if (row < 0 || isWord(row, word, length)) return slot;
      slot = (slot + 1) & mask;
    }
  };
  const isWord = (row: number, word: Uint8Array, length: number): boolean => {
    const start = startOf(row);
    if ((ends[row] ?? 0) - start !== length) return false;
    for (let at = 0; at < length; at++) if (bytes[start + at] !== word[at]) return false;
    return true;
  };
  const grow = (): void => {
    slots = new Uint32Array(slots.length * 2);
    for (let row = 0; row < count; row++) {
      const word = bytes.subarray(startOf(row), ends[row]);
      slots[slotOf(word, word.length)] = row + 1;
    }
  };

  return {
    size: () => count,
    add: (word) => {
      const slot = slotOf(word, word.length);
      if (slots[slot] !== 0) return -1;
      const start = startOf(count);
      const end = start + word.length;
      if (end > bytes.length) bytes = enlarged(bytes, new Uint8Array(Math.max(end, bytes.length * 2)));
      if (count === ends.length) ends = enlarged(ends, new Uint32Array(count * 2));
      bytes.set(word, start);
      ends[count] = end;
      count += 1;
      slots[slot] = count;
      if (count * 2 > slots.length) grow();
      return count - 1;
    },
    rowOf: (word) => {
      const { read, written } = encoder.encodeInto(word, scratch);
      return read < word.length ? -1 : (slots[slotOf(scratch, written)] ?? 0) - 1;
    },
  };
}

/** Reads a vocabulary file: words in UTF-8, one a line, in the order of their rows. Throws for a word that stands there twice. */
export function parseVocabulary(file: Uint8Array): Vocabulary {
  const vocabulary = createVocabulary();
  for (let start = 0; start < file.length;) {
    const found = file.indexOf(LINE_FEED, start);
    const end = found === -1 ? file.length : found;
    if (vocabulary.add(file.subarray(start, end)) === -1)
      throw new Error(`expected each word once, but line ${String(vocabulary.size() + 1)} repeats one`);
    start = end + 1;
  }
  return vocabulary;
}

/** FNV-1a, 32 bits, of the first `length` bytes. */
function hashOf(word: Uint8Array, length: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < length; at++) hash = Math.imul(hash ^ (word[at] ?? 0), 0x01000193);
  // The low bits, which pick the slot, must depend on all others.
  return (hash ^ (hash >>> 15)) >>> 0;
}

function enlarged<Numbers extends Uint8Array | Uint32Array>(from: Numbers, to: Numbers): Numbers {
  to.set(from);
  return to;
}
