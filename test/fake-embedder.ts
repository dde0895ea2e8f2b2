import { createHash } from 'node:crypto';
import type { EmbedOptions, EmbedOutcome, Embedder } from '../src/embedding/embedder.js';
import { normaliseText } from '../src/embedding/text.js';
import { type KindredError, abortError } from '../src/errors.js';

export interface FakeEmbedderOptions {
  readonly id?: string;
  readonly dimension?: number;
  readonly maxTokens?: number;
  /** The error that a text fails with, if it does. */
  readonly failing?: (text: string) => KindredError | undefined;
}

/** One call that a fake embedder got. */
interface FakeEmbedderCall {
  readonly texts: readonly string[];
  readonly options: EmbedOptions;
}

export interface FakeEmbedder extends Embedder {
  /** Every call, oldest first. */
  readonly calls: FakeEmbedderCall[];
}

/** An embedder without a model: the sum of a fixed pseudo-random vector per word, so that texts that share words are near. */
export function createFakeEmbedder({
  id = 'fake',
  dimension = 16,
  maxTokens = 32,
  failing = () => undefined,
}: FakeEmbedderOptions = {}): FakeEmbedder {
  const calls: FakeEmbedderCall[] = [];
  const embedText = (raw: string): EmbedOutcome => {
    const text = normaliseText(raw, { textBytes: 65_536 });
    if (typeof text !== 'string') return text;
    const words = text.toLowerCase().split(/\s+/u).filter(Boolean);
    const read = words.slice(0, maxTokens);
    const vector = new Float32Array(dimension);
    for (const word of read) {
      for (let at = 0; at < dimension; at++) vector[at] = (vector[at] ?? 0) + numberOf(word, at);
    }
    const norm = Math.hypot(...vector);
    return {
      vector: vector.map((value) => value / norm),
      tokens: read.length,
      truncated: words.length > maxTokens,
    };
  };
  return {
    calls,
    model: {
      id,
      digest: createHash('sha256')
        .update(`${id}:${String(dimension)}`)
        .digest('hex'),
      dimension,
      maxTokens,
    },
    embed: async (texts, options) => {
      calls.push({ texts, options });
      await Promise.resolve();
      const { signal } = options;
      return texts.map((text) => (signal?.aborted ? abortError(signal) : (failing(text) ?? embedText(text))));
    },
    health: () => ({ ready: true, queued: 0 }),
    close: () => Promise.resolve(),
  };
}

/** A number between -1 and 1 that depends on word and place only. */
function numberOf(word: string, at: number): number {
  const bytes = createHash('sha256')
    .update(`${word}:${String(at)}`)
    .digest();
  return bytes.readUInt32LE() / 2 ** 31 - 1;
}
