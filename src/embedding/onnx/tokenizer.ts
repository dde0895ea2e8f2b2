import { Tokenizer } from '@huggingface/tokenizers';

/** Characters of the first slice of a long text, by token of the limit: more than nearly every text needs to fill it. */
const SLICE_CHARACTERS = 8;

/** A text as token ids. */
export interface Encoding {
  /** Special tokens included; at most `maxTokens`. */
  readonly ids: readonly number[];
  /** Tokens that come from the text itself. */
  readonly content: number;
  readonly truncated: boolean;
}

/** The part of tokenizer.json that tells special tokens. */
interface TokenizerJson {
  readonly added_tokens?: readonly {
    readonly id: number;
    readonly content: string;
    readonly special: boolean;
  }[];
  readonly model?: { readonly unk_token?: string | null; readonly unk_id?: number | null };
}

/** What is used of the library, whose own declarations don't resolve under NodeNext. */
interface Encoder {
  encode(text: string, options?: { add_special_tokens: boolean }): { ids: number[] };
}

/**
 * Makes the tokenizer of a parsed tokenizer.json. Special tokens that stand in a text, such as `[SEP]`, are read as text: only the
 * template of the model sets special ids. Truncation drops the end of the text and keeps the closing special tokens.
 */
export function createTokenizer(json: TokenizerJson, maxTokens: number): (text: string) => Encoding {
  const added = json.added_tokens ?? [];
  const unknown = added.find(
    ({ id, content }) => content === json.model?.unk_token || id === json.model?.unk_id,
  );
  const special = new Set(added.filter((token) => token.special && token !== unknown).map(({ id }) => id));
  // One that knows no special token splits them like any other text.
  const plain: Encoder = new Tokenizer(
    { ...json, added_tokens: added.filter((token) => !token.special) },
    {},
  );
  const { before, after } = templateOf(new Tokenizer(json, {}));
  const limit = maxTokens - before.length - after.length;
  if (limit < 1)
    throw new Error(`expected a maxTokens above the special tokens, but got ${String(maxTokens)}`);

  const encodeContent = (text: string): number[] => {
    const { ids } = plain.encode(text, { add_special_tokens: false });
    // A vocabulary that is searched without a pre-tokenizer can still hit one.
    return ids.filter((id) => !special.has(id));
  };
  return (text) => {
    const content = headOf(text, limit, encodeContent);
    const truncated = content.length > limit;
    if (truncated) content.length = limit;
    return { ids: [...before, ...content, ...after], content: content.length, truncated };
  };
}

/** The special ids that the model's template puts before and after a text. */
function templateOf(tokenizer: Encoder): { before: number[]; after: number[] } {
  const bare = tokenizer.encode('a', { add_special_tokens: false }).ids;
  const { ids } = tokenizer.encode('a');
  const start = ids.findIndex((_, at) => bare.every((id, offset) => ids[at + offset] === id));
  if (bare.length === 0 || start < 0) throw new Error('expected a template that holds the text as it is');
  return { before: ids.slice(0, start), after: ids.slice(start + bare.length) };
}

/**
 * Tokens of the text's beginning, at least limit + 1 of them when there are that many: a text of a megabyte costs no more than its
 * first kilobytes. Slices end before white space, where words end too, so they read as the whole text would.
 */
function headOf(text: string, limit: number, encode: (text: string) => number[]): number[] {
  for (let length = limit * SLICE_CHARACTERS; length < text.length; length *= 2) {
    const end = text.slice(length).search(/\s/);
    if (end < 0) break;
    const ids = encode(text.slice(0, length + end));
    if (ids.length > limit) return ids;
  }
  return encode(text);
}
