import { beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode, ErrorReason } from '../../src/errors.js';
import type { Filter } from '../../src/vectors/filter.js';
import type { Collection } from '../../src/vectors/store.js';
import { type Collections, record, unitVector } from './harness.js';

/** What filters must mean on every store. */
export function describeFilters(collections: Collections): void {
  const { filled, matching } = collections;
  describe('filters', () => {
    let collection: Collection;
    beforeAll(async () => {
      collection = await filled([
        record('full', {
          brand: 'Sony',
          order: 'select',
          camelCase: 'lower',
          CAMELCASE: 'upper',
          stock: 5,
          price: 9.5,
          inStock: true,
          released: '2020-01-01T00:00:00Z',
          tags: ['red', 'blue'],
          extra: { a: 1 },
        }),
        record('other', {
          brand: 'sony',
          order: 'from',
          camelCase: 'x',
          CAMELCASE: 'lower',
          stock: Number.MAX_SAFE_INTEGER,
          price: -0,
          inStock: false,
          released: '1969-12-31T23:59:59.999Z',
          tags: [],
        }),
        record('empty'),
        record('nulls', {
          brand: null,
          stock: null,
          price: null,
          inStock: null,
          released: null,
          tags: null,
        }),
      ]);
    });
    const released = Date.parse('2020-01-01T00:00:00Z');
    const cases: [string, Filter, string[]][] = [
      ['eq of a string, by case', { kind: 'eq', field: 'brand', value: 'Sony' }, ['full']],
      ['a field with the name of an SQL word', { kind: 'eq', field: 'order', value: 'from' }, ['other']],
      ['fields that differ in case only', { kind: 'eq', field: 'camelCase', value: 'lower' }, ['full']],
      ['eq of an int', { kind: 'eq', field: 'stock', value: Number.MAX_SAFE_INTEGER }, ['other']],
      ['eq of its neighbour', { kind: 'eq', field: 'stock', value: Number.MAX_SAFE_INTEGER - 1 }, []],
      ['an int against a fraction', { kind: 'eq', field: 'stock', value: 5.5 }, []],
      ['eq of a float', { kind: 'eq', field: 'price', value: 9.5 }, ['full']],
      ['0 and -0 as equal', { kind: 'eq', field: 'price', value: 0 }, ['other']],
      ['-0 and 0 as equal', { kind: 'range', field: 'price', lte: -0, gte: -0 }, ['other']],
      ['eq of true', { kind: 'eq', field: 'inStock', value: true }, ['full']],
      ['eq of false', { kind: 'eq', field: 'inStock', value: false }, ['other']],
      ['eq of a datetime', { kind: 'eq', field: 'released', value: released }, ['full']],
      ['a datetime before 1970', { kind: 'range', field: 'released', lt: 0 }, ['other']],
      [
        'in of strings',
        { kind: 'in', field: 'brand', values: ['Sony', 'x', 'sony', 'y', 'z'] },
        ['full', 'other'],
      ],
      ['in of numbers', { kind: 'in', field: 'stock', values: [5, 6] }, ['full']],
      ['in of booleans', { kind: 'in', field: 'inStock', values: [true, false] }, ['full', 'other']],
      ['in of nothing', { kind: 'in', field: 'brand', values: [] }, []],
      ['gt', { kind: 'range', field: 'stock', gt: 5 }, ['other']],
      ['gte', { kind: 'range', field: 'stock', gte: 5 }, ['full', 'other']],
      ['lt', { kind: 'range', field: 'price', lt: 9.5 }, ['other']],
      ['lte with gt', { kind: 'range', field: 'price', gt: 0, lte: 9.5 }, ['full']],
      ['extreme bounds', { kind: 'range', field: 'price', gt: -Number.MAX_VALUE, lt: 5e-324 }, ['other']],
      ['a range without bounds, as exists', { kind: 'range', field: 'price' }, ['full', 'other']],
      ['contains', { kind: 'contains', field: 'tags', value: 'blue' }, ['full']],
      ['contains of a part of an element', { kind: 'contains', field: 'tags', value: 'blu' }, []],
      ['exists', { kind: 'exists', field: 'brand' }, ['full', 'other']],
      ['exists of an empty list, as missing', { kind: 'exists', field: 'tags' }, ['full']],
      ['and of nothing, as true', { kind: 'and', filters: [] }, ['empty', 'full', 'nulls', 'other']],
      ['or of nothing, as false', { kind: 'or', filters: [] }, []],
      [
        'and',
        {
          kind: 'and',
          filters: [
            { kind: 'exists', field: 'brand' },
            { kind: 'eq', field: 'inStock', value: false },
          ],
        },
        ['other'],
      ],
      [
        'or',
        {
          kind: 'or',
          filters: [
            { kind: 'eq', field: 'brand', value: 'sony' },
            { kind: 'eq', field: 'inStock', value: true },
          ],
        },
        ['full', 'other'],
      ],
    ];
    it.each(cases)('matches %s', async (_title, filter, expected) => {
      expect(await matching(collection, filter)).toEqual(expected);
    });

    it.each(cases)('matches the complement by not: %s', async (_title, filter, expected) => {
      const all = ['empty', 'full', 'nulls', 'other'];
      expect(await matching(collection, { kind: 'not', filter })).toEqual(
        all.filter((id) => !expected.includes(id)),
      );
      expect(await matching(collection, { kind: 'not', filter: { kind: 'not', filter } })).toEqual(expected);
    });

    const hostile = [
      '" or 1==1 or "',
      "' OR '1'='1",
      "'; DROP TABLE x; --",
      '\\"',
      "'",
      "''",
      '\\',
      '\\\\',
      '%',
      '_',
      'like',
      'json_contains(x, 1)',
      '“quoted” ‘too’',
      '-- comment',
      '/* comment */',
      '`f_brand`',
      "X'27'",
      '$1',
      '?',
      '{}',
      '\n\r\t',
      '😀\u200d',
      '\u0000',
      'NULL',
      '',
    ];
    it('F1: a filter string with quotes, escapes or SQL in it is bound as a value', async () => {
      const own = await filled(
        hostile.map((text, i) => record(String(i), { brand: text, tags: [text, 'shared'] }, unitVector(i))),
      );
      for (const [i, text] of hostile.entries()) {
        const only = [String(i)];
        expect(await matching(own, { kind: 'eq', field: 'brand', value: text })).toEqual(only);
        expect(await matching(own, { kind: 'in', field: 'brand', values: [text] })).toEqual(only);
        expect(await matching(own, { kind: 'contains', field: 'tags', value: text })).toEqual(only);
        expect(
          await matching(own, { kind: 'not', filter: { kind: 'eq', field: 'brand', value: text } }),
        ).toHaveLength(hostile.length - 1);
      }
    });

    const deep = (levels: number): Filter =>
      levels === 0
        ? { kind: 'exists', field: 'brand' }
        : levels % 3 === 0
          ? { kind: 'not', filter: deep(levels - 1) }
          : {
              kind: levels % 3 === 1 ? 'and' : 'or',
              filters: [{ kind: 'range', field: 'price', gt: levels, lt: 99 }, deep(levels - 1)],
            };
    it('answers filters as deep and as long as it takes', async () => {
      expect(await matching(collection, deep(15))).toBeInstanceOf(Array);
      const values = Array.from({ length: 9_999 }, (_, i) => `brand ${String(i)}`);
      expect(await matching(collection, { kind: 'in', field: 'brand', values: [...values, 'Sony'] })).toEqual(
        ['full'],
      );
      const filters = values.slice(0, 1_000).map((value): Filter => ({ kind: 'eq', field: 'brand', value }));
      expect(await matching(collection, { kind: 'or', filters })).toEqual([]);
    });

    const refused: [string, Filter, ErrorReason | undefined][] = [
      ['F2: an unknown field', { kind: 'eq', field: 'nope', value: 1 }, 'UNKNOWN_FIELD'],
      ['F2: a field name with SQL in it', { kind: 'exists', field: 'brand` OR 1=1' }, 'UNKNOWN_FIELD'],
      ['F2: a field of every object', { kind: 'exists', field: '__proto__' }, 'UNKNOWN_FIELD'],
      ['F2: a column of the store itself', { kind: 'eq', field: 'id', value: 'full' }, 'UNKNOWN_FIELD'],
      ['a json field', { kind: 'exists', field: 'extra' }, 'UNKNOWN_FIELD'],
      ['F2: 100 nested filters', deep(100), 'FILTER_TOO_LARGE'],
      [
        'F2: 20,000 values',
        { kind: 'in', field: 'stock', values: Array<number>(20_000).fill(1) },
        'FILTER_TOO_LARGE',
      ],
      ['F2: an int beyond 2^53', { kind: 'eq', field: 'stock', value: 2 ** 63 }, undefined],
      ['a string for a number', { kind: 'eq', field: 'price', value: '9.5' }, undefined],
      ['a number for a string', { kind: 'eq', field: 'brand', value: 1 }, undefined],
      ['a number for a boolean', { kind: 'eq', field: 'inStock', value: 1 }, undefined],
      ['a string for a datetime', { kind: 'eq', field: 'released', value: '2020-01-01' }, undefined],
      ['one wrong value of many', { kind: 'in', field: 'brand', values: ['a', true] }, undefined],
      ['eq of a list', { kind: 'eq', field: 'tags', value: 'red' }, undefined],
      ['contains of a string', { kind: 'contains', field: 'brand', value: 'S' }, undefined],
      ['a range of strings', { kind: 'range', field: 'brand', gt: 1 }, undefined],
      ['a bound that is NaN', { kind: 'range', field: 'price', gt: NaN }, 'NOT_FINITE'],
      ['an infinite bound', { kind: 'range', field: 'price', lt: Infinity }, 'NOT_FINITE'],
      ['a lone surrogate', { kind: 'eq', field: 'brand', value: '\ud800' }, 'BAD_TEXT'],
    ];
    it.each(refused)('refuses %s', async (_title, filter, reason) => {
      const error = { code: 'BAD_USER_INPUT' satisfies ErrorCode, reason };
      await expect(collection.search([unitVector(1)], { limit: 1, filter })).rejects.toMatchObject(error);
      await expect(collection.count(filter)).rejects.toMatchObject(error);
    });
  });
}
