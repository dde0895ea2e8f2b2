import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float16ToFloat32 } from '../src/embedding/onnx/float16.js';
import { type Pooling, cutRows, normaliseRows, poolTokens } from '../src/embedding/onnx/pooling.js';

const number = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e3, max: 1e3 });

/** Token vectors as lists: texts of 1 to 6 tokens, ascending in length as the worker sorts them. */
const texts = fc.integer({ min: 1, max: 5 }).chain((hidden) =>
  fc
    .array(
      fc.array(fc.array(number, { minLength: hidden, maxLength: hidden }), { minLength: 1, maxLength: 6 }),
      {
        minLength: 1,
        maxLength: 5,
      },
    )
    .map((rows) => ({ hidden, rows: rows.sort((a, b) => a.length - b.length) })),
);

/** The tensor `[rows, length, hidden]` with what a graph leaves in padding: anything, even NaN. */
function padded(
  rows: readonly (readonly (readonly number[])[])[],
  hidden: number,
  extra: number,
): Float32Array {
  const length = Math.max(...rows.map((row) => row.length)) + extra;
  return Float32Array.from(
    rows.flatMap((row) => [
      ...row.flat(),
      ...Array.from({ length: (length - row.length) * hidden }, () => NaN),
    ]),
  );
}

/** The same by definition. */
function reference(row: readonly (readonly number[])[], pooling: Pooling): number[] {
  if (pooling === 'cls') return [...row[0]!];
  if (pooling === 'last') return [...row[row.length - 1]!];
  return row[0]!.map((_, at) => row.reduce((sum, token) => sum + token[at]!, 0) / row.length);
}

describe('pooling', () => {
  it.each(['mean', 'cls', 'last'] as const)(
    '%s equals its definition, whatever stands in the padding',
    (pooling) => {
      fc.assert(
        fc.property(texts, fc.integer({ min: 0, max: 3 }), ({ hidden, rows }, extra) => {
          const lengths = rows.map((row) => row.length);
          const pooled = poolTokens(padded(rows, hidden, extra), lengths, { hidden, pooling });
          const expected = rows.flatMap((row) => reference(row, pooling));
          expect(pooled).toHaveLength(expected.length);
          expected.forEach((value, at) => {
            expect(pooled[at]).toBeCloseTo(value, 2);
          });
        }),
      );
    },
  );

  it('cuts rows to their first numbers and gives each norm 1', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 5 }), ({ hidden, rows }, wanted) => {
        const dimension = Math.min(wanted, hidden);
        const vectors = Float32Array.from(rows.flatMap((row) => row[0]!));
        const cut = cutRows(vectors, hidden, dimension).slice();
        rows.forEach((row, at) => {
          expect([...cut.subarray(at * dimension, (at + 1) * dimension)]).toEqual(
            row[0]!.slice(0, dimension),
          );
        });
        normaliseRows(cut, dimension);
        rows.forEach((row, at) => {
          const norm = Math.hypot(...row[0]!.slice(0, dimension));
          const got = Math.hypot(...cut.subarray(at * dimension, (at + 1) * dimension));
          expect(got).toBeCloseTo(norm === 0 ? 0 : 1, 5);
        });
      }),
    );
  });

  it('leaves a vector that is not finite as it is, so that it is refused and not scaled away', () => {
    const vectors = Float32Array.of(NaN, 1, 3, 4);
    normaliseRows(vectors, 2);
    expect(Number.isNaN(vectors[0])).toBe(true);
    expect([...vectors.subarray(2)]).toEqual([Math.fround(0.6), Math.fround(0.8)]);
  });
});

describe('float16', () => {
  it('reads every kind of number: normal, subnormal, zero, infinite, NaN', () => {
    const bits = Uint16Array.of(
      0x3c00,
      0xc000,
      0x3555,
      0x0001,
      0x03ff,
      0x8000,
      0x7bff,
      0x7c00,
      0xfc00,
      0x7e00,
    );
    const [one, minusTwo, third, least, subnormal, zero, most, ...rest] = float16ToFloat32(bits);
    expect([one, minusTwo, least, subnormal, most]).toEqual([1, -2, 2 ** -24, 1023 * 2 ** -24, 65504]);
    expect(third).toBeCloseTo(1 / 3, 3);
    expect(Object.is(zero, -0)).toBe(true);
    expect(rest).toEqual([Infinity, -Infinity, NaN]);
  });
});
