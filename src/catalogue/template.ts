import type { Catalogue } from './catalogue.js';
import type { FieldValue, Item } from './item.js';

/**
 * Characters of a text after which its end is cut: far more than any model reads, and below what embedders refuse as too long.
 */
const MAX_TEXT = 16_384;

/** Literal text, or the name of a field whose value stands here. */
type Piece = string | { readonly field: string };

/** A stretch of a line. An optional one (in square brackets) goes when all its fields are missing. */
interface Segment {
  readonly optional: boolean;
  readonly pieces: readonly Piece[];
}

/** A template's lines, and what is wrong with it. */
export interface ParsedTemplate {
  readonly lines: readonly (readonly Segment[])[];
  /** Every field that it names, in order, with repeats. */
  readonly fields: readonly string[];
  /** Each says what was expected. */
  readonly faults: readonly string[];
}

/**
 * Parses a text template:
 * - `{field}` is the value of a field;
 * - `[...]` is an optional part, left out when every field in it is missing; it must name a field and holds no other `[...]`;
 * - a line is left out, too, when it names fields and all of them are missing;
 * - `\{`, `\}`, `\[`, `\]` and `\\` are the characters themselves.
 */
export function parseTemplate(template: string): ParsedTemplate {
  const lines: Segment[][] = [];
  const fields: string[] = [];
  const faults: string[] = [];
  for (const line of template.split(/\r?\n/)) lines.push(parseLine(line, fields, faults));
  if (fields.length === 0) faults.push('at least one {field}');
  return { lines, fields, faults };
}

function parseLine(line: string, fields: string[], faults: string[]): Segment[] {
  const segments: Segment[] = [];
  let pieces: Piece[] = [];
  let optional = false;
  const close = (): void => {
    if (optional && !pieces.some((piece) => typeof piece !== 'string'))
      faults.push('a {field} inside each [...]');
    if (pieces.length > 0) segments.push({ optional, pieces });
    pieces = [];
  };
  for (const [token] of line.matchAll(/\\[\\{}[\]]|\{[^{}[\]]*\}|[^\\{}[\]]+|[\s\S]/g)) {
    if (token === '[') {
      if (optional) faults.push('no [ inside [...]: write \\[ for the character');
      close();
      optional = true;
    } else if (token === ']') {
      if (!optional) faults.push('a [ before each ]: write \\] for the character');
      close();
      optional = false;
    } else if (token === '{' || token === '}') {
      faults.push(`a field name in braces: write \\${token} for the character`);
    } else if (token.startsWith('{')) {
      const field = token.slice(1, -1).trim();
      fields.push(field);
      pieces.push({ field });
    } else pieces.push(/^\\[\\{}[\]]$/.test(token) ? token.slice(1) : token);
  }
  if (optional) faults.push('a ] after each [');
  close();
  return segments;
}

/**
 * The text of `item` that models embed. White space, no-break spaces too, is collapsed; empty lines go; the text is '' when every field that
 * the template names is missing; at most 16,384 characters.
 */
export function renderText(catalogue: Catalogue, item: Item): string {
  const { lines } = parseTemplate(catalogue.template);
  let found = false;
  const texts: string[] = [];
  for (const segments of lines) {
    let hasFields = false;
    let hasValues = false;
    let text = '';
    for (const { optional, pieces } of segments) {
      let values = 0;
      let fields = 0;
      let part = '';
      for (const piece of pieces) {
        const value = typeof piece === 'string' ? piece : showValue(item.fields[piece.field]);
        part += value;
        if (typeof piece === 'string') continue;
        fields += 1;
        if (value !== '') values += 1;
      }
      hasFields ||= fields > 0;
      hasValues ||= values > 0;
      if (!optional || values > 0) text += part;
    }
    if (hasFields && !hasValues) continue;
    found ||= hasValues;
    const clean = text.replace(/\s+/g, ' ').trim();
    if (clean !== '') texts.push(clean);
  }
  return found ? cut(texts.join('\n')) : '';
}

function showValue(value: FieldValue | undefined): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(showValue).join(', ');
  if (typeof value === 'object') return '';
  // A datetime at midnight is a date.
  return String(value)
    .replace(/^(\d{4}-\d\d-\d\d)T00:00:00\.000Z$/, '$1')
    .trim();
}

/** Cuts `text` without parting a surrogate pair. */
function cut(text: string): string {
  if (text.length <= MAX_TEXT) return text;
  const end = text.slice(0, MAX_TEXT);
  return /[\uD800-\uDBFF]$/.test(end) ? end.slice(0, -1) : end;
}
