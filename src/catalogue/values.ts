import type { FieldType } from './catalogue.js';
import type { FieldValue, Json } from './item.js';

/** Where a row comes from. A CSV cell is always text, so lists and JSON are written as text there. */
export type RowSource = 'json' | 'csv';

/** A value as its field's type has it, or what was expected instead. */
export type Reading = { readonly value: FieldValue } | { readonly expected: string };

/** Nesting of a json value, above which it is refused: other programs stack-overflow on such values. */
const MAX_JSON_DEPTH = 64;

const MISSING: Reading = { value: null };
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const DATETIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d\d:?\d\d)?)?$/i;
/** With the `u` flag only surrogates without their other half match `\p{Cs}`. */
const NOT_TEXT = /[\u0000\uFFFE\uFFFF\p{Cs}]/u;
const TEXT = 'text without U+0000, U+FFFE, U+FFFF and lone surrogates';

/**
 * Reads a source value as `type`. Undefined, null and blank text are missing (null), for every type. Text is read as a number, boolean or datetime
 * where it says exactly one (`"1999.0"`, `"true"`, `"2024-05-01"`), in JSON too; numbers and booleans are never read as text.
 */
export function readValue(type: FieldType, value: unknown, source: RowSource): Reading {
  if (value === undefined || value === null) return MISSING;
  if (typeof value === 'string' && value.trim() === '') return MISSING;
  return READERS[type](value, source);
}

/** Whether `text` can be stored and embedded. */
export function isCleanText(text: string): boolean {
  return !NOT_TEXT.test(text);
}

const READERS: Readonly<Record<FieldType, (value: unknown, source: RowSource) => Reading>> = {
  string: (value) => {
    if (typeof value !== 'string') return { expected: 'a string' };
    return isCleanText(value) ? { value } : { expected: TEXT };
  },
  int: (value) => {
    const number = toNumber(value);
    // `+ 0` makes -0 a plain zero.
    return Number.isSafeInteger(number)
      ? { value: number + 0 }
      : { expected: 'a whole number within ±(2^53-1)' };
  },
  float: (value) => {
    const number = toNumber(value);
    return Number.isFinite(number) ? { value: number + 0 } : { expected: 'a finite number' };
  },
  boolean: (value, source) => {
    if (typeof value === 'boolean') return { value };
    const word = typeof value === 'string' ? value.trim().toLowerCase() : '';
    if (word === 'true' || (source === 'csv' && (word === '1' || word === 'yes'))) return { value: true };
    if (word === 'false' || (source === 'csv' && (word === '0' || word === 'no'))) return { value: false };
    return { expected: source === 'csv' ? 'true, false, yes, no, 1 or 0' : 'true or false' };
  },
  datetime: (value) => {
    const iso = typeof value === 'string' ? toIsoUtc(value.trim()) : null;
    return iso === null
      ? { expected: 'an ISO 8601 date or datetime such as 2024-05-01 or 2024-05-01T12:00:00Z' }
      : { value: iso };
  },
  strings: (value, source) => {
    const list = source === 'csv' && typeof value === 'string' ? splitList(value) : value;
    if (!Array.isArray(list) || !list.every((each): each is string => typeof each === 'string'))
      return {
        expected: source === 'csv' ? 'texts parted by | or a JSON list of strings' : 'a list of strings',
      };
    if (!list.every(isCleanText)) return { expected: TEXT };
    return { value: list.filter((each) => each.trim() !== '') };
  },
  json: (value, source) => {
    const json = source === 'csv' && typeof value === 'string' ? parseJson(value) : value;
    if (json === undefined) return { expected: 'JSON' };
    return depthWithin(json, MAX_JSON_DEPTH)
      ? { value: json as Json }
      : { expected: `JSON nested at most ${String(MAX_JSON_DEPTH)} deep` };
  },
};

function toNumber(value: unknown): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && DECIMAL.test(value.trim()) ? Number(value) : NaN;
}

/** ISO 8601 text as `YYYY-MM-DDTHH:mm:ss.sssZ`; without an offset it is UTC; null when there is no such moment. */
function toIsoUtc(text: string): string | null {
  const match = DATETIME.exec(text);
  if (!match) return null;
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = match;
  const milliseconds = fraction.slice(0, 3).padEnd(3, '0');
  const local = `${year ?? ''}-${month ?? ''}-${day ?? ''}T${hour}:${minute}:${second}.${milliseconds}`;
  const time = Date.parse(`${local}Z`);
  // Date rolls 30 February over to March: a moment that prints differently does not exist.
  if (Number.isNaN(time) || new Date(time).toISOString() !== `${local}Z`) return null;
  if (zone.toUpperCase() === 'Z') return `${local}Z`;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 23 || minutes > 59) return null;
  const utc = new Date(time - (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000);
  const iso = utc.toISOString();
  return iso.length === 24 ? iso : null;
}

function splitList(text: string): unknown {
  return text.trim().startsWith('[') ? parseJson(text) : text.split('|').map((each) => each.trim());
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function depthWithin(value: unknown, depth: number): boolean {
  if (value === null || typeof value !== 'object') return true;
  return depth > 0 && Object.values(value).every((each) => depthWithin(each, depth - 1));
}
