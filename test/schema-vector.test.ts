import fc from 'fast-check';
import { Kind, parseValue } from 'graphql';
import { describe, expect, it } from 'vitest';
import { GraphQLVector } from '../schema/vector.js';
import { vectorToBase64 } from '../src/embedding/base64.js';
import { KindredError } from '../src/errors.js';

function fault(work: () => unknown): KindredError {
  try {
    work();
  } catch (error) {
    if (error instanceof KindredError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

const read = (value: unknown): Float32Array => GraphQLVector.parseValue(value);
const literal = (text: string): Float32Array => GraphQLVector.parseLiteral(parseValue(text));

describe('the Vector scalar', () => {
  it('takes a list of numbers as float32, whole numbers too', () => {
    expect(read([0.1, 2, -3])).toEqual(Float32Array.of(0.1, 2, -3));
    expect(literal('[0.1, 2, -3]')).toEqual(Float32Array.of(0.1, 2, -3));
  });

  it('answers a list of numbers that reads back as the same vector', () => {
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true, noDefaultInfinity: true }), (vector) => {
        const json = JSON.stringify(GraphQLVector.serialize(vector));
        // JSON has no negative zero.
        expect(read(JSON.parse(json))).toEqual(vector.map((value) => value + 0));
      }),
    );
  });

  it('takes base64 of little-endian float32, as Embedding.base64 answers it', () => {
    expect(vectorToBase64(Float32Array.of(1, -2))).toBe('AACAPwAAAMA=');
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true, noDefaultInfinity: true }), (vector) => {
        expect(read(vectorToBase64(vector))).toEqual(vector);
      }),
    );
    expect(literal('"AACAPwAAAMA="')).toEqual(Float32Array.of(1, -2));
  });

  it('writes only its own part of a larger buffer as base64', () => {
    const view = new Float32Array(Float32Array.of(9, 1, -2, 9).buffer, 4, 2);
    expect(vectorToBase64(view)).toBe('AACAPwAAAMA=');
  });

  it('V2: negative zero, denormals and 1e38 are numbers like others', () => {
    const vector = read([-0, 1e-45, 1e38]);
    expect(Object.is(vector[0], -0)).toBe(true);
    expect(vector[1]).toBeGreaterThan(0);
    expect(vector[2]).toBe(Math.fround(1e38));
  });

  it.each([
    ['NaN', [Number.NaN]],
    ['Infinity', [1, Infinity]],
    ['1e999 out of JSON', JSON.parse('[1e999]')],
    ['1e39, too large for float32', [1e39]],
    ['base64 of NaN', vectorToBase64(Float32Array.of(Number.NaN))],
  ])('V2: %s is NOT_FINITE', (_name, value) => {
    expect(fault(() => read(value))).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'NOT_FINITE' });
  });

  it('V2: a literal 1e999 is NOT_FINITE', () => {
    expect(fault(() => literal('[1e999]'))).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'NOT_FINITE' });
  });

  it.each([
    ['a nested list', [[1]]],
    ['a string in the list', ['NaN']],
    ['null in the list', [null]],
    ['a sparse list', new Array(3)],
    ['an object', { 0: 1 }],
    ['a number', 1],
    ['a boolean', true],
    ['text that is not base64', 'not base64!'],
    ['base64url', Buffer.from(Float32Array.of(-1e-30).buffer).toString('base64url').padEnd(8, '_')],
    ['base64 without padding', 'AACAPwAAAMA'],
    ['base64 of half a float', 'AACA'],
  ])('V4: %s is refused', (_name, value) => {
    expect(fault(() => read(value)).code).toBe('BAD_USER_INPUT');
  });

  it.each(['[[1]]', '["1"]', '[null]', '{a: 1}', '1', 'A'])('V4: the literal %s is refused', (text) => {
    expect(fault(() => literal(text)).code).toBe('BAD_USER_INPUT');
  });

  it('V1: a million numbers are refused without reading one', () => {
    const list = new Proxy([] as number[], {
      get: (target, key) => {
        if (key === 'length') return 1_000_000;
        throw new Error(`read ${String(key)} of ${target.length}`);
      },
    });
    expect(fault(() => read(list)).message).toContain('1000000');
    expect(fault(() => read('A'.repeat(6_000_000))).reason).toBe('DIMENSION_MISMATCH');
    const values = Array.from({ length: 40_000 }, () => ({ kind: Kind.INT, value: '1' }) as const);
    expect(fault(() => GraphQLVector.parseLiteral({ kind: Kind.LIST, values })).reason).toBe(
      'DIMENSION_MISMATCH',
    );
  });

  it('answers nothing but Float32Arrays', () => {
    expect(() => GraphQLVector.serialize([1, 2])).toThrow(/Float32Array/);
  });
});
