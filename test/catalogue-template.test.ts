import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Catalogue } from '../src/catalogue/catalogue.js';
import type { FieldValue } from '../src/catalogue/item.js';
import { parseTemplate, renderText } from '../src/catalogue/template.js';

function render(template: string, fields: Record<string, FieldValue>): string {
  const catalogue: Catalogue = { entity: 'P', description: '', key: 'id', fields: [], template, vectors: {} };
  return renderText(catalogue, { id: '1', fields });
}

describe('a text template', () => {
  it('puts values in the place of {field}', () => {
    expect(render('{a} costs {b}', { a: 'Lamp', b: 12.5 })).toBe('Lamp costs 12.5');
  });

  it('leaves out a line whose fields are all missing', () => {
    expect(render('{a}\nby {b}\n{c}', { a: 'Lamp', b: null, c: 'Bright' })).toBe('Lamp\nBright');
  });

  it('leaves out an optional part whose fields are all missing, and keeps it when one is there', () => {
    expect(render('{a}[ by {b}][, {c} or {d}]', { a: 'Lamp', b: null, c: null, d: 'red' })).toBe(
      'Lamp, or red',
    );
  });

  it('is empty when every field is missing, whatever stands around', () => {
    expect(render('Product\n{a} by {b}', { a: null, b: '  ' })).toBe('');
  });

  it('collapses white space and no-break spaces', () => {
    expect(render('{a}', { a: ' HP\u00a0 80\u202f\tCyan\r\nInk ' })).toBe('HP 80 Cyan Ink');
  });

  it('shows lists, booleans and dates as a person would write them', () => {
    const fields = {
      a: ['red', 'blue'],
      b: true,
      c: '2024-05-01T00:00:00.000Z',
      d: '2024-05-01T10:00:00.000Z',
    };
    expect(render('{a}; {b}; {c}; {d}', fields)).toBe(
      'red, blue; true; 2024-05-01; 2024-05-01T10:00:00.000Z',
    );
  });

  it('takes a backslash before a bracket, brace or backslash as the character itself', () => {
    expect(render('\\[{a}\\] \\{b\\} c\\\\d e\\f', { a: 'x' })).toBe('[x] {b} c\\d e\\f');
  });

  it('reads no template syntax in values', () => {
    expect(render('{a}', { a: '{b} [c] \\{' })).toBe('{b} [c] \\{');
  });

  it('cuts a text that no model reads to its end, and parts no surrogate pair', () => {
    const text = render('{a}', { a: 'x' + '😀'.repeat(20_000) });
    expect(text).toHaveLength(16_383);
    expect(text.endsWith('😀')).toBe(true);
  });

  it.each([
    ['[{a}', 'a ] after each ['],
    ['{a}]', 'a [ before each ]'],
    ['[{a} [{b}]]', 'no [ inside [...]'],
    ['{a} [x]', 'a {field} inside each [...]'],
    ['{a} }', 'a field name in braces'],
    ['{a', 'a field name in braces'],
    ['x', 'at least one {field}'],
  ])('finds what is wrong with %s', (template, fault) => {
    expect(parseTemplate(template).faults.join()).toContain(fault);
  });

  it('never fails on any text', () => {
    fc.assert(
      fc.property(fc.string(), (template) => {
        expect(render(template, {})).toBe('');
      }),
    );
  });
});
