import type { FieldType } from './catalogue.js';
import { type RowSource, readValue } from './values.js';

/** Distinct values that are told apart; beyond, a column counts as one of many values. */
const MAX_DISTINCT = 1_000;
/** Texts of more characters than this, on average, are prose. */
const PROSE = 60;

/** What is known of a column after its values were added. */
export interface ColumnFacts {
  readonly path: string;
  /** Rows that have a value. */
  readonly present: number;
  add(value: unknown): void;
  /** The narrowest type that reads every value. */
  type(): FieldType;
  /** Whether all rows have a value of their own that can be a key. */
  isKey(rows: number): boolean;
  /** Whether values come again and again, as those of filters do. */
  repeats(): boolean;
  isProse(): boolean;
  isUrl(): boolean;
  /** Whether some values are objects; whether all are. */
  hasObjects(): boolean;
  isObject(): boolean;
}

/** The types in the order in which they are tried. Text reads as most of them, so each must say why it should. */
const ORDER: readonly FieldType[] = ['boolean', 'int', 'float', 'datetime', 'strings', 'string'];

/** Starts a column. */
export function createColumn(path: string, source: RowSource): ColumnFacts {
  const fits = new Set<FieldType>(ORDER);
  const distinct = new Set<string>();
  // Keys are compared by a set of their own: a key column is all distinct, and the other set stops early.
  let keys: Set<string> | null = new Set();
  let present = 0;
  let objects = 0;
  let characters = 0;
  let urls = 0;
  let lists = 0;

  const note = (text: string): void => {
    if (distinct.size < MAX_DISTINCT) distinct.add(text);
  };
  const noteKey = (value: unknown): void => {
    const usable =
      Number.isSafeInteger(value) || (typeof value === 'string' && Buffer.byteLength(value) <= 512);
    const key = String(value);
    if (!usable || keys?.has(key) === true) keys = null;
    keys?.add(key);
  };
  const type = (): FieldType => {
    for (const candidate of ORDER) {
      if (!fits.has(candidate)) continue;
      // Every text of a CSV reads as a list of one: only bars make it one.
      if (candidate === 'strings' && source === 'csv' && lists < present * 0.2) continue;
      return candidate;
    }
    return 'json';
  };

  return {
    path,
    get present() {
      return present;
    },
    add: (value) => {
      if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) return;
      present += 1;
      for (const candidate of fits) {
        if (!reads(candidate, value, source)) fits.delete(candidate);
      }
      noteKey(value);
      if (typeof value === 'string') {
        characters += value.length;
        if (/^https?:\/\/\S+$/i.test(value)) urls += 1;
        if (/^\[|\S\|\S/.test(value)) lists += 1;
      } else if (typeof value === 'object' && !Array.isArray(value)) objects += 1;
      for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) note(String(each));
    },
    type,
    isKey: (rows) => keys !== null && keys.size === rows && present === rows,
    repeats: () =>
      distinct.size < MAX_DISTINCT && distinct.size <= present / 2 && characters / present <= PROSE,
    isProse: () => characters / present > PROSE || (type() === 'string' && characters / present > PROSE / 3),
    isUrl: () => urls === present,
    hasObjects: () => objects > 0,
    isObject: () => objects > 0 && objects === present,
  };
}

/** Whether a value would be read as `type`, and a person would write it so: `007` is no number, `1` no boolean. */
function reads(type: FieldType, value: unknown, source: RowSource): boolean {
  if ('expected' in readValue(type, value, source)) return false;
  if (typeof value !== 'string') return true;
  if (type === 'boolean') return /^(true|false)$/i.test(value.trim());
  if (type === 'int' || type === 'float') return !/^\s*[+]|^\s*-?0\d/.test(value);
  return true;
}
