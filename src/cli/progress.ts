import type { ImportProgress } from '../catalogue/import.js';

/** Time between lines where the output is no terminal, and between drawings where it is, in ms. */
const LINE_MS = 5_000;
const DRAW_MS = 100;
const BAR_CELLS = 24;

/** What the printer needs of a stream such as `process.stderr`. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Prints an import's progress: a bar that is redrawn on a terminal, a plain line every five seconds elsewhere, with rate and time left. */
export function progressPrinter(
  stream: ProgressStream,
  now: () => number = () => performance.now(),
): (progress: ImportProgress) => void {
  const terminal = stream.isTTY === true;
  let started: number | undefined;
  let drawn = -Infinity;
  return (progress) => {
    const time = now();
    started ??= time;
    const due = time - drawn >= (terminal ? DRAW_MS : LINE_MS);
    if (progress.phase === 'import' && !due) return;
    drawn = time;
    const line = describe(progress, (time - started) / 1000);
    if (!terminal) stream.write(`${line}\n`);
    // ESC [ K clears what a longer line before left behind it.
    else stream.write(`\r${bar(progress)} ${line}\u001b[K${progress.phase === 'done' ? '\n' : ''}`);
  };
}

function share({ bytes, totalBytes }: ImportProgress): number {
  return totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes);
}

function bar(progress: ImportProgress): string {
  const full = Math.round(share(progress) * BAR_CELLS);
  return `[${'#'.repeat(full)}${'-'.repeat(BAR_CELLS - full)}]`;
}

function describe(progress: ImportProgress, seconds: number): string {
  const { phase, read, rejected, resumed } = progress;
  const percent = Math.floor(share(progress) * 100);
  const parts = [`${String(percent)}%`, `${read.toLocaleString('en-US')} rows`];
  if (rejected > 0) parts.push(`${rejected.toLocaleString('en-US')} rejected`);
  if (resumed > 0) parts.push(`${resumed.toLocaleString('en-US')} done before`);
  if (phase === 'optimize') parts.push('building the index');
  if (phase !== 'import' || seconds <= 0 || read === resumed) return parts.join(', ');
  const rate = (read - resumed) / seconds;
  parts.push(`${Math.round(rate).toLocaleString('en-US')} rows/s`);
  // By rows, since those of an interrupted run were passed over in no time.
  const left = (read / share(progress) - read) / rate;
  if (Number.isFinite(left)) parts.push(`${duration(left)} left`);
  return parts.join(', ');
}

function duration(seconds: number): string {
  if (seconds < 60) return `${String(Math.ceil(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${String(minutes)} min ${String(Math.round(seconds % 60))} s`;
  return `${String(Math.floor(minutes / 60))} h ${String(minutes % 60)} min`;
}
