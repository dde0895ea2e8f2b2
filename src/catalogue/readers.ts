import { readCsv } from './csv.js';
import { ImportError } from './import-error.js';
import { type BadLine, type TextLine, splitLines } from './lines.js';
import { type SourceFile, openSourceFile } from './source-file.js';
import type { SourceRow } from './source-row.js';
import type { RowSource } from './values.js';

/** A file of rows, open for reading. */
export interface Source extends Pick<SourceFile, 'size' | 'identity' | 'bytesRead' | 'close'> {
  readonly format: RowSource;
  /**
   * Its rows in order, once. A row that can't be read is a fault with its line number and the next one follows; ImportError is thrown only
   * for what ends the file (broken gzip, no header, UTF-16).
   */
  rows(): AsyncGenerator<SourceRow>;
}

/** Opens a file by the end of its name: `.jsonl`, `.ndjson`, `.csv`, `.tsv`, each also with `.gz`. */
export async function openSource(path: string, maxLineBytes: number): Promise<Source> {
  const [, extension = ''] = /\.([a-z0-9]+)(?:\.gz)?$/i.exec(path) ?? [];
  const read = READERS[extension.toLowerCase()];
  if (read === undefined)
    throw new ImportError(
      `${path}: expected a name that ends in .jsonl, .ndjson, .csv or .tsv, or in these with .gz`,
    );
  const file = await openSourceFile(path);
  return {
    format: read === readJsonLines ? 'json' : 'csv',
    size: file.size,
    identity: () => file.identity(),
    bytesRead: () => file.bytesRead(),
    close: () => file.close(),
    rows: async function* () {
      try {
        yield* read(splitLines(file.chunks(), maxLineBytes), maxLineBytes);
      } catch (error) {
        // Errors of the file name it already; those of its content do not.
        if (error instanceof ImportError && !error.message.startsWith(path))
          throw new ImportError(`${path}: ${error.message}`, { cause: error });
        throw error;
      }
    },
  };
}

type Reader = (lines: AsyncIterable<TextLine | BadLine>, maxLineBytes: number) => AsyncGenerator<SourceRow>;

async function* readJsonLines(lines: AsyncIterable<TextLine | BadLine>): AsyncGenerator<SourceRow> {
  for await (const line of lines) {
    if ('fault' in line) yield line;
    else if (line.text.trim() !== '') yield readJson(line);
  }
}

function readJson({ line, text }: TextLine): SourceRow {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 120) : '';
    return { line, raw: text, fault: `the line: expected a JSON object, received no JSON (${why})` };
  }
  if (row === null || typeof row !== 'object' || Array.isArray(row)) {
    const kind = row === null ? 'null' : Array.isArray(row) ? 'a list' : `a ${typeof row}`;
    return { line, raw: text, fault: `the line: expected a JSON object, received ${kind}` };
  }
  return { line, raw: text, row: row as Record<string, unknown> };
}

const READERS: Readonly<Record<string, Reader | undefined>> = {
  jsonl: readJsonLines,
  ndjson: readJsonLines,
  csv: (lines, maxLineBytes) => readCsv(lines, ',', maxLineBytes),
  tsv: (lines, maxLineBytes) => readCsv(lines, '\t', maxLineBytes),
};
