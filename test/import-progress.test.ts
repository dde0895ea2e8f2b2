import { describe, expect, it } from 'vitest';
import type { ImportProgress } from '../src/catalogue/import.js';
import { progressPrinter } from '../src/cli/progress.js';

/** Prints progress at the given seconds; answers what was written. */
function print(isTTY: boolean, steps: readonly (readonly [number, Partial<ImportProgress>])[]): string[] {
  const written: string[] = [];
  let time = 0;
  const printer = progressPrinter({ isTTY, write: (text: string) => written.push(text) }, () => time);
  for (const [seconds, progress] of steps) {
    time = seconds * 1000;
    printer({ phase: 'import', bytes: 0, totalBytes: 1000, read: 0, rejected: 0, resumed: 0, ...progress });
  }
  return written;
}

describe('the progress of an import', () => {
  it('is a plain line every five seconds where there is no terminal, with rate and time left', () => {
    const lines = print(false, [
      [0, {}],
      [1, { bytes: 100, read: 1_000 }],
      [5, { bytes: 250, read: 5_000, rejected: 3 }],
      [6, { bytes: 300, read: 6_000 }],
      [10, { bytes: 500, read: 10_000 }],
    ]);
    expect(lines).toEqual([
      '0%, 0 rows\n',
      '25%, 5,000 rows, 3 rejected, 1,000 rows/s, 15 s left\n',
      '50%, 10,000 rows, 1,000 rows/s, 10 s left\n',
    ]);
  });

  it('is a bar that is redrawn on a terminal, and ends with a line break', () => {
    const drawn = print(true, [
      [0, {}],
      [0.05, { bytes: 100, read: 10 }],
      [1, { bytes: 500, read: 100 }],
      [2, { phase: 'optimize', bytes: 1000, read: 200 }],
      [3, { phase: 'done', bytes: 1000, read: 200 }],
    ]);
    expect(drawn).toEqual([
      '\r[------------------------] 0%, 0 rows\u001b[K',
      '\r[############------------] 50%, 100 rows, 100 rows/s, 1 s left\u001b[K',
      '\r[########################] 100%, 200 rows, building the index\u001b[K',
      '\r[########################] 100%, 200 rows\u001b[K\n',
    ]);
  });

  it('counts rate and time left by the rows of this run alone when it resumed', () => {
    const [, line] = print(false, [
      [0, { read: 8_000, resumed: 8_000 }],
      [10, { bytes: 900, read: 9_000, resumed: 8_000 }],
    ]);
    expect(line).toBe('90%, 9,000 rows, 8,000 done before, 100 rows/s, 10 s left\n');
  });

  it('shows minutes and hours as such', () => {
    const left = (bytes: number): string | undefined =>
      print(false, [
        [0, {}],
        [60, { bytes, read: bytes }],
      ])[1];
    expect(left(100)).toContain('9 min 0 s left');
    expect(left(1)).toContain('16 h 39 min left');
  });
});
