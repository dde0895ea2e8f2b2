/** Makes a relevance of a cosine: `1 / (1 + exp(slope * cosine + offset))`, the probability that an item is what was looked for. */
export interface Calibration {
  readonly slope: number;
  readonly offset: number;
}

/** A hit, and whether it was the item that was looked for. */
export interface CalibrationPoint {
  readonly score: number;
  readonly right: boolean;
}

/** Points of each kind without which nothing is learned. */
const MIN_POINTS = 10;
const ITERATIONS = 100;
/** Below this slope of the loss it is at its least; ridge of the Hessian; shortest step. */
const FLAT = 1e-7;
const RIDGE = 1e-12;
const MIN_STEP = 1e-10;

/** The relevance of a score, 0 to 1. */
export function relevanceOf({ slope, offset }: Calibration, score: number): number {
  return 1 / (1 + Math.exp(slope * score + offset));
}

/**
 * Fits Platt's sigmoid to points by Newton's method with backtracking (Platt 1999; Lin, Lin & Weng 2007, algorithm 1, which keeps the targets away from
 * 0 and 1). Null where there are too few points of a kind, or a higher score makes an item no likelier.
 */
export function fitCalibration(points: readonly CalibrationPoint[]): Calibration | null {
  const right = points.filter((point) => point.right).length;
  const wrong = points.length - right;
  if (right < MIN_POINTS || wrong < MIN_POINTS) return null;
  const [high, low] = [(right + 1) / (right + 2), 1 / (wrong + 2)];
  const data = points.map(({ score, right: isRight }) => ({ score, target: isRight ? high : low }));
  let [slope, offset] = [0, Math.log((wrong + 1) / (right + 1))];
  const lossAt = (a: number, b: number): number =>
    data.reduce((sum, { score, target }) => {
      const exponent = a * score + b;
      return exponent >= 0
        ? sum + target * exponent + Math.log1p(Math.exp(-exponent))
        : sum + (target - 1) * exponent + Math.log1p(Math.exp(exponent));
    }, 0);
  let loss = lossAt(slope, offset);
  for (let iteration = 0; iteration < ITERATIONS; iteration += 1) {
    const { gradient, hessian } = derivatives(data, slope, offset);
    if (Math.abs(gradient[0]) < FLAT && Math.abs(gradient[1]) < FLAT) break;
    const determinant = hessian[0] * hessian[2] - hessian[1] ** 2;
    const stepSlope = -(hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant;
    const stepOffset = -(hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant;
    const descent = gradient[0] * stepSlope + gradient[1] * stepOffset;
    let length = 1;
    for (; length >= MIN_STEP; length /= 2) {
      const next = lossAt(slope + length * stepSlope, offset + length * stepOffset);
      if (next >= loss + 1e-4 * length * descent) continue;
      slope += length * stepSlope;
      offset += length * stepOffset;
      loss = next;
      break;
    }
    if (length < MIN_STEP) break;
  }
  return slope < 0 ? { slope, offset } : null;
}

/** First and second derivatives of the loss: `[slope, offset]`, and `[slope slope, slope offset, offset offset]`. */
function derivatives(
  data: readonly { readonly score: number; readonly target: number }[],
  slope: number,
  offset: number,
): { gradient: [number, number]; hessian: [number, number, number] } {
  const gradient: [number, number] = [0, 0];
  const hessian: [number, number, number] = [RIDGE, 0, RIDGE];
  for (const { score, target } of data) {
    const probability = relevanceOf({ slope, offset }, score);
    const residual = target - probability;
    const weight = probability * (1 - probability);
    gradient[0] += score * residual;
    gradient[1] += residual;
    hessian[0] += score * score * weight;
    hessian[1] += score * weight;
    hessian[2] += weight;
  }
  return { gradient, hessian };
}
