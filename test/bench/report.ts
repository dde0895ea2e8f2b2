/** One figure of a benchmark or evaluation: a JSON line on standard output, always beside its baseline where it has one. */
export interface Figure {
  /** What ran, e.g. `search`. */
  readonly bench: string;
  /** Which case of it. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same figure of the baseline, measured in the same run. */
  readonly baseline?: number;
  /** What the baseline is. */
  readonly against?: string;
  /** What must hold, where something must: shown, never asserted. */
  readonly target?: string;
  readonly [detail: string]: unknown;
}

/** Prints `figure` with the ratio of value to baseline. */
export function report(figure: Figure): void {
  const { baseline, value } = figure;
  const ratio = baseline === undefined || baseline === 0 ? {} : { ratio: round(value / baseline) };
  console.log(
    JSON.stringify({
      ...Object.fromEntries(
        Object.entries(figure).map(([key, each]) => [key, typeof each === 'number' ? round(each) : each]),
      ),
      ...ratio,
    }),
  );
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
