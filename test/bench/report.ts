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
  /** Of value to baseline, where that is not their quotient: the median of pairs. */
  readonly ratio?: number;
  /** What must hold, where something must: shown, never asserted. */
  readonly target?: string;
  readonly [detail: string]: unknown;
}

/** Prints `figure` with its ratio. */
export function report(figure: Figure): void {
  const { baseline = NaN, value, ratio = value / baseline } = figure;
  console.log(
    JSON.stringify({
      ...Object.fromEntries(
        Object.entries(figure).map(([key, each]) => [key, typeof each === 'number' ? round(each) : each]),
      ),
      ...(Number.isFinite(ratio) && { ratio: round(ratio) }),
    }),
  );
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
