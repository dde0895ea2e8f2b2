import { limitError } from './public-error.js';

/**
 * Refuses a GraphQL document that would be dear even to parse, in one linear pass: brackets nested deeper than `maxNesting`
 * (the parser recurses), or more than `maxIgnored` comments and commas (which the parser's token limit does not count).
 */
export function scanDocument(
  source: string,
  { maxNesting, maxIgnored }: { maxNesting: number; maxIgnored: number },
): void {
  let nesting = 0;
  let ignored = 0;
  for (let at = 0; at < source.length; at++) {
    switch (source.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: // [
      case 0x28: // (
        if (++nesting > maxNesting) {
          throw limitError('TOO_DEEP', `The document nests brackets deeper than ${maxNesting}.`, {
            limit: maxNesting,
          });
        }
        break;
      case 0x7d: // }
      case 0x5d: // ]
      case 0x29: // )
        nesting--;
        break;
      case 0x22: // "
        at = endOfString(source, at);
        break;
      case 0x23: // #
        ignored++;
        at = endOfLine(source, at);
        break;
      case 0x2c: // ,
        ignored++;
        break;
    }
    if (ignored > maxIgnored) {
      throw limitError('TOO_MANY_TOKENS', `The document has more than ${maxIgnored} comments and commas.`, {
        limit: maxIgnored,
      });
    }
  }
}

/** The index of the quote that ends the string at `start`; an unfinished one ends its line, as the parser will say. */
function endOfString(source: string, start: number): number {
  if (source.startsWith('"""', start)) {
    let end = source.indexOf('"""', start + 3);
    while (end > 0 && source[end - 1] === '\\') end = source.indexOf('"""', end + 3);
    return end < 0 ? source.length : end + 2;
  }
  for (let at = start + 1; at < source.length; at++) {
    const code = source.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22 || code === 0x0a || code === 0x0d) return at;
  }
  return source.length;
}

function endOfLine(source: string, start: number): number {
  for (let at = start; at < source.length; at++) {
    const code = source.charCodeAt(at);
    if (code === 0x0a || code === 0x0d) return at;
  }
  return source.length;
}
