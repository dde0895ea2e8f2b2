import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Catalogue, FieldType } from '../src/catalogue/catalogue.js';
import { contentHash, withVector } from '../src/catalogue/hash.js';
import { parseCatalogue } from '../src/catalogue/load.js';
import { parseRow } from '../src/catalogue/validate.js';
import { type RowSource, readValue } from '../src/catalogue/values.js';

const CATALOGUE: Catalogue = parseCatalogue(
  `
template: "{title}"
fields:
  title: { type: string, required: true }
  price: float
  stock: int
  colour: { type: string, from: attributes.t_colour }
  tags: strings
vectors: { v2: vectors.two }
`,
  'test',
);

function read(type: FieldType, value: unknown, source: RowSource = 'json'): unknown {
  const reading = readValue(type, value, source);
  return 'value' in reading ? reading.value : 'FAULT';
}

describe('a value of a row', () => {
  it.each<[FieldType, unknown, unknown]>([
    ['string', ' a\u00a0b ', ' a\u00a0b '],
    ['string', '', null],
    ['string', '\u00a0 ', null],
    ['string', null, null],
    ['string', 12, 'FAULT'],
    ['string', '\ud800', 'FAULT'],
    ['string', 'a\u0000', 'FAULT'],
    ['string', '=HYPERLINK("http://x","y")', '=HYPERLINK("http://x","y")'],
    ['int', 12, 12],
    ['int', 12.0, 12],
    ['int', 12.5, 'FAULT'],
    ['int', ' 12 ', 12],
    ['int', '12.5', 'FAULT'],
    ['int', 2 ** 53, 'FAULT'],
    ['int', '9007199254740993', 'FAULT'],
    ['int', '0x10', 'FAULT'],
    ['int', true, 'FAULT'],
    ['int', -0, 0],
    ['float', '1999.0', 1999],
    ['float', '1e3', 1000],
    ['float', '1e999', 'FAULT'],
    ['float', 'NaN', 'FAULT'],
    ['float', 'Infinity', 'FAULT'],
    ['float', '1,234', 'FAULT'],
    ['float', '12 EUR', 'FAULT'],
    ['boolean', true, true],
    ['boolean', 'False', false],
    ['boolean', 1, 'FAULT'],
    ['boolean', 'yes', 'FAULT'],
    ['datetime', '2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['datetime', '2023-02-29', 'FAULT'],
    ['datetime', '2024-05-01T12:30+02:00', '2024-05-01T10:30:00.000Z'],
    ['datetime', '2024-05-01T23:30:15.123456-01:30', '2024-05-02T01:00:15.123Z'],
    ['datetime', '2024-05-01 12:30', '2024-05-01T12:30:00.000Z'],
    ['datetime', '2024-05-01T24:00', 'FAULT'],
    ['datetime', '2024-05-01T00:00:60Z', 'FAULT'],
    ['datetime', '01/05/2024', 'FAULT'],
    ['datetime', 1714521600, 'FAULT'],
    ['strings', ['a', ' ', 'b'], ['a', 'b']],
    ['strings', [], []],
    ['strings', 'a|b', 'FAULT'],
    ['strings', ['a', 1], 'FAULT'],
    ['json', { a: [1, null] }, { a: [1, null] }],
  ])('of type %s: %j is read as %j in JSON', (type, value, expected) => {
    expect(read(type, value)).toEqual(expected);
  });

  it.each<[FieldType, string, unknown]>([
    ['boolean', 'yes', true],
    ['boolean', '0', false],
    ['strings', 'a| b |', ['a', 'b']],
    ['strings', '["a|b","c"]', ['a|b', 'c']],
    ['strings', '[1]', 'FAULT'],
    ['json', '{"a":1}', { a: 1 }],
    ['json', '{a', 'FAULT'],
    ['int', '', null],
  ])('of type %s: %j is read as %j in CSV', (type, value, expected) => {
    expect(read(type, value, 'csv')).toEqual(expected);
  });

  it('is refused when its JSON is nested deeper than 64', () => {
    const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
    expect(read('json', nested(64))).not.toBe('FAULT');
    expect(read('json', nested(100_000))).toBe('FAULT');
  });

  it('reads every date that JavaScript prints as itself', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          expect(read('datetime', date.toISOString())).toBe(date.toISOString());
        },
      ),
    );
  });

  it('reads every finite number from its text', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(read('float', String(number))).toBe(number + 0);
      }),
    );
  });
});

describe('a row', () => {
  it('becomes an item with every field, null where it has none', () => {
    const row = { id: 7, title: 'Lamp', attributes: { t_colour: 'red' }, unknown: 1 };
    expect(parseRow(CATALOGUE, row, { source: 'json' })).toEqual({
      item: { id: '7', fields: { title: 'Lamp', price: null, stock: null, colour: 'red', tags: null } },
      vectors: {},
    });
  });

  it('answers every fault at once, with its key', () => {
    const row = { id: 'a', title: ' ', price: 'much', stock: 1.5, tags: 'x' };
    expect(parseRow(CATALOGUE, row, { source: 'json' })).toEqual({
      id: 'a',
      faults: [
        'title: expected a value, as it is required, received " "',
        'price: expected a finite number, received "much"',
        'stock: expected a whole number within ±(2^53-1), received 1.5',
        'tags: expected a list of strings, received "x"',
      ],
    });
  });

  it.each([
    [undefined],
    [null],
    [''],
    ['  '],
    [1.5],
    [2 ** 53],
    ['\ud800'],
    ['x'.repeat(513)],
    ['€'.repeat(171)],
    [{}],
    [true],
  ])('is refused with the key %j', (id) => {
    expect(parseRow(CATALOGUE, { id, title: 'x' }, { source: 'json' })).toHaveProperty('faults');
  });

  it('H12: finds no value in a prototype, and changes none', () => {
    const row = JSON.parse(
      '{"id":"1","title":"x","__proto__":{"price":9},"attributes":{"__proto__":{"t_colour":"red"}}}',
    ) as Record<string, unknown>;
    const parsed = parseRow(CATALOGUE, row, { source: 'json' });
    expect(parsed).toMatchObject({ item: { fields: { price: null, colour: null } } });
    expect(({} as Record<string, unknown>).price).toBeUndefined();
  });

  const rules = { source: 'json', dimensions: { v2: 3 } } as const;
  const withGiven = (two: unknown): Record<string, unknown> => ({ id: '1', title: 'x', vectors: { two } });

  it('brings a vector of its own, which is normalised', () => {
    const parsed = parseRow(CATALOGUE, withGiven([3, 0, 4]), rules);
    expect(parsed).toMatchObject({ vectors: { v2: Float32Array.from([0.6, 0, 0.8]) } });
  });

  it.each([
    ['too few numbers', [1, 2]],
    ['too many numbers', [1, 2, 3, 4]],
    ['a number beyond float32', [1e39, 0, 0]],
    ['null', [null, 1, 1]],
    ['text', ['1', '1', '1']],
    ['all zeros', [0, 0, 0]],
    ['nothing left in float32', [1e-60, 0, 0]],
    ['an object', { 0: 1 }],
  ])('M1: is refused with a vector of %s', (_, two) => {
    const parsed = parseRow(CATALOGUE, withGiven(two), rules);
    expect(parsed).toMatchObject({
      id: '1',
      faults: [expect.stringContaining('vectors.two (vector of v2): expected')],
    });
  });

  it('keeps its hash when only the order of JSON keys changes, and changes it with every value', () => {
    const item = (value: unknown) => ({ id: '1', fields: { a: value as never } });
    expect(contentHash(item({ x: 1, y: 2 }), 't')).toBe(contentHash(item({ y: 2, x: 1 }), 't'));
    const hashes = [
      contentHash(item({ x: 1, y: 2 }), 't'),
      contentHash(item({ x: 1, y: 3 }), 't'),
      contentHash(item(null), 't'),
      contentHash(item(null), 'u'),
      contentHash({ ...item(null), id: '2' }, 't'),
      withVector(contentHash(item(null), 't'), Float32Array.of(1, 0)),
      withVector(contentHash(item(null), 't'), Float32Array.of(0, 1)),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
