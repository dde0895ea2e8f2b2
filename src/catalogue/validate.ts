import type { Catalogue } from './catalogue.js';
import type { FieldValue, Item } from './item.js';
import { valueAt } from './source-path.js';
import { type RowSource, isCleanText, readValue } from './values.js';

/** The longest key, in UTF-8 bytes. */
const MAX_KEY_BYTES = 512;
/** Characters of a received value that a fault shows. */
const MAX_SHOWN = 60;

/** A row that is right: its item, and the vectors that it brings itself. */
export interface ParsedRow {
  readonly item: Item;
  /** By model version id; L2-normalised, `[dimension]`. */
  readonly vectors: Readonly<Record<string, Float32Array>>;
}

/** A row that is wrong: each fault says field, expected and received. */
export interface RowFaults {
  /** The row's key, when that at least is right. */
  readonly id?: string;
  readonly faults: readonly string[];
}

export interface RowRules {
  readonly source: RowSource;
  /** Dimensions of the live model versions; given vectors of others are left alone. */
  readonly dimensions?: Readonly<Record<string, number>>;
}

/** Reads a source row as the catalogue has it, or answers every fault of it. Properties that the catalogue does not name are left alone. */
export function parseRow(
  catalogue: Catalogue,
  row: Readonly<Record<string, unknown>>,
  { source, dimensions = {} }: RowRules,
): ParsedRow | RowFaults {
  const faults: string[] = [];
  const id = readKey(valueAt(row, catalogue.key));
  if (id === null) {
    faults.push(
      fault(
        catalogue.key,
        `a key: text of 1 to ${String(MAX_KEY_BYTES)} bytes or a whole number`,
        valueAt(row, catalogue.key),
      ),
    );
  }
  const fields: Record<string, FieldValue> = {};
  for (const { name, type, from, required } of catalogue.fields) {
    const received = valueAt(row, from);
    const reading = readValue(type, received, source);
    if ('expected' in reading) faults.push(fault(name, reading.expected, received));
    else if (required && isMissing(reading.value))
      faults.push(fault(name, 'a value, as it is required', received));
    else fields[name] = reading.value;
  }
  const vectors: Record<string, Float32Array> = {};
  for (const [version, from] of Object.entries(catalogue.vectors)) {
    const dimension = dimensions[version];
    const received = valueAt(row, from);
    if (dimension === undefined || received === undefined || received === null || received === '') continue;
    const vector = readVector(received, dimension);
    if (typeof vector === 'string') faults.push(`${from} (vector of ${version}): expected ${vector}`);
    else vectors[version] = vector;
  }
  if (id !== null && faults.length === 0) return { item: { id, fields }, vectors };
  return id === null ? { faults } : { id, faults };
}

function readKey(value: unknown): string | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : null;
  if (typeof value !== 'string' || value.trim() === '' || !isCleanText(value)) return null;
  return Buffer.byteLength(value) <= MAX_KEY_BYTES ? value : null;
}

/** A given vector, normalised; or what was expected. */
function readVector(value: unknown, dimension: number): Float32Array | string {
  const list = typeof value === 'string' ? parseList(value) : value;
  if (!Array.isArray(list)) return `a list of ${String(dimension)} numbers`;
  if (list.length !== dimension) return `${String(dimension)} numbers, received ${String(list.length)}`;
  const vector = new Float32Array(dimension);
  let squares = 0;
  for (const [index, number] of (list as unknown[]).entries()) {
    // float32 overflows where float64 does not: what counts is the stored value.
    const stored = typeof number === 'number' ? Math.fround(number) : NaN;
    if (!Number.isFinite(stored))
      return `finite float32 numbers, received ${show(number)} at ${String(index)}`;
    vector[index] = stored;
    squares += stored * stored;
  }
  const norm = Math.sqrt(squares);
  if (norm === 0) return 'a vector that is not all zeros';
  for (let index = 0; index < dimension; index++) vector[index] = (vector[index] ?? 0) / norm;
  return vector;
}

function parseList(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isMissing(value: FieldValue): boolean {
  return value === null || (Array.isArray(value) && value.length === 0);
}

function fault(name: string, expected: string, received: unknown): string {
  return `${name}: expected ${expected}, received ${show(received)}`;
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(typeof value === 'string' ? value.slice(0, MAX_SHOWN + 1) : value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
}
