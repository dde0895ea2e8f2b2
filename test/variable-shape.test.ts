import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { variableShape } from '../src/http/variable-shape.js';

describe('variableShape', () => {
  it.each([
    ['texts of other words', { query: 'a' }, { query: 'b' }],
    ['vectors of one dimension', { vector: [0.1, 0.2] }, { vector: [3, 4] }],
    ['filters of other bounds', { filter: { price: { gte: 1 } } }, { filter: { price: { gte: 2 } } }],
    ['as many examples', { like: [{ id: '1' }, { id: '2' }] }, { like: [{ id: '3' }, { id: '4' }] }],
  ])('is the same for %s', (_name, a, b) => {
    expect(variableShape(a)).toBe(variableShape(b));
  });

  it.each([
    ['page sizes', { first: 1 }, { first: 2 }],
    ['switches', { skip: true }, { skip: false }],
    ['lengths of lists', { ids: ['a'] }, { ids: ['a', 'b'] }],
    ['kinds of examples', { like: [{ text: 'a' }] }, { like: [{ image: {} }] }],
    ['null and an object', { image: null }, { image: {} }],
    ['a list and its only element', { like: [{}] }, { like: {} }],
    ['nested lists', { a: [['x'], ['x']] }, { a: [['x', 'x']] }],
    ['names that look like shapes', { a: [{ 'b":string},3*{"b': '' }] }, { a: [{ b: '' }, { b: '' }] }],
  ])('differs for %s', (_name, a, b) => {
    expect(variableShape(a)).not.toBe(variableShape(b));
  });

  it('tells values apart by the lengths of their lists, whatever their names are', () => {
    const list = (names: readonly string[]): { all: object[] } => ({
      all: names.map((name) => ({ [name]: 'x' })),
    });
    const names = fc.array(
      fc.string({ unit: fc.constantFrom('"', ':', '{', '}', '*', ',', '2', 's', '\\') }),
      {
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(names, names, (a, b) => {
        fc.pre(a.length !== b.length);
        expect(variableShape(list(a))).not.toBe(variableShape(list(b)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is of no use for what is very long or deep', () => {
    const long = Array.from({ length: 2_000 }, (_, at) => ({ [`f${String(at)}`]: 1 }));
    expect(variableShape({ long })).toBeUndefined();
    const deep = JSON.parse('[{"a":'.repeat(50_000) + '1' + '}]'.repeat(50_000)) as object;
    expect(variableShape({ deep })).toBeUndefined();
  });
});
