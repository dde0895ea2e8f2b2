import { z } from 'zod';
import { createVocabulary } from './wordpiece-vocabulary.js';
import { type ReadText, createWordReader } from './wordpiece-words.js';

/** A tokenizer.json as BERT's models have it; what it leaves out is as tokenizers has it by default. */
const bertSchema = z.object({
  added_tokens: z.array(z.object({ id: z.number(), content: z.string(), special: z.boolean() })).default([]),
  normalizer: z.object({
    type: z.literal('BertNormalizer'),
    clean_text: z.boolean().default(true),
    handle_chinese_chars: z.boolean().default(true),
    strip_accents: z.boolean().nullable().default(null),
    lowercase: z.boolean().default(true),
  }),
  pre_tokenizer: z.object({ type: z.literal('BertPreTokenizer') }),
  model: z.object({
    type: z.literal('WordPiece'),
    unk_token: z.string().default('[UNK]'),
    continuing_subword_prefix: z.string().default('##'),
    // A word is kept until it ends: one that may be huge is left to the library.
    max_input_chars_per_word: z.number().int().nonnegative().max(10_000).default(100),
    // Tens of thousands of entries: what they are is checked where they are read anyway.
    vocab: z.custom<Readonly<Record<string, number>>>((value) => typeof value === 'object' && value !== null),
  }),
});

/**
 * Makes the fast reader of a parsed tokenizer.json that has BERT's normalizer, BERT's pre-tokenizer and WordPiece; undefined for any other.
 * It reads every text as Python's tokenizers does, special tokens as text, in time linear in the text's length.
 */
export function createWordPiece(json: unknown): ReadText | undefined {
  const { success, data } = bertSchema.safeParse(json);
  if (!success) return undefined;
  const { added_tokens: added, normalizer, model } = data;
  const unknown = model.vocab[model.unk_token];
  // Added tokens that are not special are looked for in the text before it is cut into words.
  if (unknown === undefined || added.some(({ special }) => !special)) return undefined;

  const special = new Set(added.filter(({ id }) => id !== unknown).map(({ id }) => id));
  const maxWord = model.max_input_chars_per_word;
  const readWord = createVocabulary({
    pieces: Object.entries(model.vocab).filter(([, id]) => !special.has(id)),
    prefix: model.continuing_subword_prefix,
    unknown,
    maxWord,
  });
  const settings = {
    cleanText: normalizer.clean_text,
    chineseCharacters: normalizer.handle_chinese_chars,
    stripAccents: normalizer.strip_accents ?? normalizer.lowercase,
    lowercase: normalizer.lowercase,
  };
  return createWordReader(settings, maxWord, readWord);
}
