import type { BadLine } from './lines.js';

/** A row as its file has it. */
interface GoodRow {
  /** The line on which it starts, counted from 1. */
  readonly line: number;
  readonly row: Readonly<Record<string, unknown>>;
  /** Its text. */
  readonly raw: string;
}

/** What a reader yields: a row, or what stands in its place. */
export type SourceRow = GoodRow | BadLine;
