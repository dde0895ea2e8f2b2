import { parse } from 'csv-parse/sync';
import { ImportError } from './import-error.js';
import type { BadLine, TextLine } from './lines.js';
import type { SourceRow } from './source-row.js';

/** A record that may stretch over several lines by its quotes. */
interface CsvRecord {
  readonly line: number;
  readonly text: string;
}

/**
 * Reads CSV (RFC 4180) with a header line. A cell is text, whatever it looks like. A record that is broken, or has another number of cells than
 * the header, is a fault; a quote that never closes spoils its own line only. Line breaks inside quotes become LF.
 */
export async function* readCsv(
  lines: AsyncIterable<TextLine | BadLine>,
  delimiter: string,
  maxRecordBytes: number,
): AsyncGenerator<SourceRow> {
  let header: string[] | undefined;
  for await (const record of joinQuoted(lines, delimiter, maxRecordBytes)) {
    if (!('fault' in record) && record.text.trim() === '') continue;
    const cells = 'fault' in record ? record.fault : splitCells(record.text, delimiter);
    if (header === undefined) {
      header = readHeader(cells, record.line);
      continue;
    }
    const { line } = record;
    const raw = 'fault' in record ? record.raw : record.text;
    if (typeof cells === 'string') yield { line, raw, fault: cells };
    else if (cells.length !== header.length)
      yield {
        line,
        raw,
        fault: `the row: expected ${String(header.length)} cells, as the header has, received ${String(cells.length)}`,
      };
    else yield { line, raw, row: toRow(header, cells) };
  }
}

/** Joins the lines of records whose quoted cells hold line breaks. */
async function* joinQuoted(
  lines: AsyncIterable<TextLine | BadLine>,
  delimiter: string,
  maxRecordBytes: number,
): AsyncGenerator<CsvRecord | BadLine> {
  let open: TextLine[] = [];
  let size = 0;
  for await (const line of lines) {
    if ('fault' in line) {
      yield* unclosed(open);
      open = [];
      size = 0;
      yield line;
      continue;
    }
    const inside = endsInQuotes(line.text, delimiter, open.length > 0);
    if (!inside && open.length === 0) {
      yield line;
      continue;
    }
    open.push(line);
    size += line.text.length;
    if (inside && size <= maxRecordBytes) continue;
    if (inside) yield* unclosed(open);
    else yield { line: open[0]?.line ?? line.line, text: open.map(({ text }) => text).join('\n') };
    open = [];
    size = 0;
  }
  yield* unclosed(open);
}

/** The lines behind a quote that did not close: the first is a fault, the others stand for themselves. */
function* unclosed(open: readonly TextLine[]): Generator<CsvRecord | BadLine> {
  const [first, ...others] = open;
  if (first === undefined) return;
  yield { line: first.line, raw: first.text, fault: 'the row: expected a closing quote, received none' };
  yield* others;
}

/** Whether a quoted cell is open where the line ends, given whether one was where it began. */
function endsInQuotes(text: string, delimiter: string, inside: boolean): boolean {
  let at = 0;
  let quoted = inside;
  for (;;) {
    if (quoted) {
      const quote = text.indexOf('"', at);
      if (quote === -1) return true;
      if (text[quote + 1] === '"') {
        at = quote + 2;
        continue;
      }
      quoted = false;
      at = quote + 1;
    } else if (text[at] === '"' && (at === 0 || text[at - 1] === delimiter)) {
      quoted = true;
      at += 1;
    } else {
      const next = text.indexOf(`${delimiter}"`, at);
      if (next === -1) return false;
      at = next + 1;
    }
  }
}

/** The cells of a record, or what is wrong with it. */
function splitCells(text: string, delimiter: string): string[] | string {
  try {
    // The record's end is known already; as its delimiter serves a character that no cell may hold.
    const [cells = [], rest] = parse(text, {
      delimiter,
      relax_column_count: true,
      record_delimiter: '\0',
    });
    return rest === undefined ? cells : 'the row: expected text without U+0000';
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/ at line \d+/, '').slice(0, 120) : '';
    return `the row: expected CSV, received broken quoting (${why})`;
  }
}

function readHeader(cells: string[] | string, line: number): string[] {
  if (typeof cells === 'string')
    throw new ImportError(`line ${String(line)}: expected a CSV header; ${cells}`);
  const names = cells.map((cell) => cell.trim());
  const twice = names.find((name, index) => name !== '' && names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new ImportError(
      `line ${String(line)}: expected each column once in the CSV header, received ${twice} twice`,
    );
  return names;
}

/** `Object.fromEntries` defines properties, so that a column named `__proto__` is one like any other. */
function toRow(header: readonly string[], cells: readonly string[]): Record<string, string> {
  const entries = header.map((name, index): [string, string] => [name, cells[index] ?? '']);
  return Object.fromEntries(entries.filter(([name]) => name !== ''));
}
