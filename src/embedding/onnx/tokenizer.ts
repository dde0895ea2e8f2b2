import { Tokenizer } from '@huggingface/tokenizers';
import { createWordPiece } from './wordpiece.js';
import type { ReadText } from './wordpiece-words.js';

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
 * Makes the tokenizer of a parsed tokenizer.json: WordPiece as BERT has it by a reader of its own, everything else by the library.
 * Special tokens that stand in a text, such as `[SEP]`, are read as text: only the template of the model sets special ids. Truncation drops
 * the end of the text and keeps the closing special tokens.
 */
export function createTokenizer(json: TokenizerJson, maxTokens: number): (text: string) => Encoding {
  const { before, after } = templateOf(new HubTokenizer(json, {}));
  const limit = maxTokens - before.length - after.length;
  if (limit < 1)
    throw new Error(`expected a maxTokens above the special tokens, but got ${String(maxTokens)}`);
  const read = createWordPiece(json) ?? createHubReader(json);

  return (text) => {
    const ids = before.slice();
    const most = before.length + limit;
    const head = sliceAt(text, limit * MOST_CHARACTERS);
    read(head, ids, most + 1);
    const truncated = ids.length > most || text.slice(head.length).trim() !== '';
    if (ids.length > most) ids.length = most;
    const content = ids.length - before.length;
    for (const id of after) ids.push(id);
    return { ids, content, truncated };
  };
}

/** Reads by the library, which knows every kind of tokenizer.json. */
function createHubReader(json: TokenizerJson): ReadText {
  const added = json.added_tokens ?? [];
  const unknown = added.find(
    ({ id, content }) => content === json.model?.unk_token || id === json.model?.unk_id,
  );
  const special = new Set(added.filter((token) => token.special && token !== unknown).map(({ id }) => id));
  // One that knows no special token splits them like any other text.
  const plain = new HubTokenizer({ ...json, added_tokens: added.filter((token) => !token.special) }, {});
  const readWhole = (text: string, ids: number[]): void => {
    for (const id of plain.encode(text, { add_special_tokens: false }).ids) {
      // A vocabulary that is searched without a pre-tokenizer can still hit one.
      if (!special.has(id)) ids.push(id);
    }
  };
  return (text, ids, most) => {
    const start = ids.length;
    const first = sliceAt(text, (most - start) * FIRST_CHARACTERS);
    readWhole(first, ids);
    if (ids.length >= most || first.length === text.length) return;
    ids.length = start;
    readWhole(text, ids);
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
 * Some `length` characters of the text's beginning: up to the last white space among them when there is one, where words end in every
 * tokenizer, so that the slice reads as the whole text would.
 */
function sliceAt(text: string, length: number): string {
  if (text.length <= length) return text;
  const slice = text.slice(0, length + 1);
  const space = slice.search(/[ \t\n\r\u00a0\u3000][^ \t\n\r\u00a0\u3000]*$/);
  return space > 0 ? slice.slice(0, space) : slice.slice(0, length);
}
