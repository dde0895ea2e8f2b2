import { Tokenizer } from '@huggingface/tokenizers';

/**
 * Characters that are read of a text at most, by token of the limit. Words of every language have fewer a token; what has more
 * (words that no vocabulary knows) takes a millisecond a token to read, so an unbounded text could hold a worker for seconds.
 */
const MOST_CHARACTERS = 16;
/** Characters that are tried first: enough to fill the limit with nearly every text. */
const FIRST_CHARACTERS = 8;

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
const HubTokenizer = Tokenizer as unknown as new (json: TokenizerJson, config: object) => Encoder;

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
  const plain = new HubTokenizer({ ...json, added_tokens: added.filter((token) => !token.special) }, {});
  const { before, after } = templateOf(new HubTokenizer(json, {}));
  const limit = maxTokens - before.length - after.length;
  if (limit < 1)
    throw new Error(`expected a maxTokens above the special tokens, but got ${String(maxTokens)}`);

  const encodeContent = (text: string): number[] => {
    const { ids } = plain.encode(text, { add_special_tokens: false });
    // A vocabulary that is searched without a pre-tokenizer can still hit one.
    return ids.filter((id) => !special.has(id));
  };
  return (text) => {
    const { ids, cut } = headOf(text, limit, encodeContent);
    const truncated = cut || ids.length > limit;
    const content = ids.slice(0, limit);
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
 * Tokens of the text's beginning, more than `limit` of them when there are that many: a long text costs no more than its first
 * kilobytes. Slices end before white space, where words end too, so they read as the whole text would. `cut` tells that there was
 * more to read.
 */
function headOf(
  text: string,
  limit: number,
  encode: (text: string) => number[],
): { ids: number[]; cut: boolean } {
  const first = sliceAt(text, limit * FIRST_CHARACTERS);
  const ids = encode(first);
  if (ids.length > limit || first.length === text.length) return { ids, cut: false };
  const most = sliceAt(text, limit * MOST_CHARACTERS);
  return { ids: encode(most), cut: text.slice(most.length).trim() !== '' };
}

/** Some `length` characters of the text: up to the last white space among them when there is one. */
function sliceAt(text: string, length: number): string {
  if (text.length <= length) return text;
  const slice = text.slice(0, length + 1);
  const space = slice.search(/\s\S*$/);
  return space > 0 ? slice.slice(0, space) : slice.slice(0, length);
}
