import { type KindredError, badInput } from '../errors.js';

/** Nothing but white space, control and format characters (U+200B, U+FEFF) and other characters that show nothing. */
const INVISIBLE = /^[\s\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]*$/u;

/** With the `u` flag only surrogates without their other half match `\p{Cs}`. */
const NOT_TEXT = /[\u0000\uFFFE\uFFFF\p{Cs}]/u;

/**
 * The text as models, caches and fingerprints see it: in NFC. Or the error of a text that can't be embedded: TEXT_TOO_LONG over
 * `textBytes` of UTF-8, BAD_TEXT with U+0000, U+FFFE, U+FFFF or half a surrogate pair, EMPTY when nothing in it can be seen.
 */
export function normaliseText(text: string, { textBytes }: { textBytes: number }): string | KindredError {
  // Length goes first: it bounds the work of the other checks.
  if (text.length > textBytes || Buffer.byteLength(text) > textBytes)
    return badInput(`expected a text of at most ${String(textBytes)} bytes in UTF-8`, 'TEXT_TOO_LONG');
  if (NOT_TEXT.test(text))
    return badInput('expected a text without U+0000, U+FFFE, U+FFFF and lone surrogates', 'BAD_TEXT');
  if (INVISIBLE.test(text)) return badInput('expected a text, but got nothing that can be seen', 'EMPTY');
  return text.normalize('NFC');
}
