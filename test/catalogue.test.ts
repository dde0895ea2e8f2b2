import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CatalogueError, loadCatalogue, parseCatalogue } from '../src/catalogue/load.js';
import { packageRoot } from '../src/package-root.js';

function faultsOf(yaml: string): readonly string[] {
  try {
    parseCatalogue(yaml, 'catalogue.yaml');
  } catch (error) {
    if (error instanceof CatalogueError) return error.faults;
    throw error;
  }
  return [];
}

describe('catalogue.yaml', () => {
  it('needs fields and a template only; entity is Product and key is id by default', () => {
    expect(parseCatalogue('{ fields: { title: { type: string } }, template: "{title}" }', 'x')).toEqual({
      entity: 'Product',
      description: '',
      key: 'id',
      fields: [{ name: 'title', type: 'string', uses: [], from: 'title', required: false, description: '' }],
      template: '{title}',
      vectors: {},
    });
  });

  it('takes a field in short, as its type and uses', () => {
    const { fields } = parseCatalogue(
      '{ fields: { title: string, price: float filter sort }, template: "{title}" }',
      'x',
    );
    expect(fields[1]).toMatchObject({
      name: 'price',
      type: 'float',
      uses: ['filter', 'sort'],
      from: 'price',
    });
  });

  it('reports every fault at once, with key, expected and received', () => {
    const faults = faultsOf(`
entity: query thing
colour: red
template: "{title} {nothing}"
fields:
  title: { type: text }
  price: { type: string, uses: [popularity] }
  __x: string
  id: string
  9lives: int
  tags: strings sort
  extra: json filter
  picture: { type: int, uses: [image], form: x }
`);
    for (const part of [
      'entity: expected a GraphQL type name such as Product, received "query thing"',
      'colour: expected a known key, received an unknown one',
      'template: expected fields of this catalogue',
      'received {nothing}',
      'fields.title.type: expected one of "string"|"int"',
      'received "text"',
      'fields.price.uses: expected popularity on a field of type int, float, received it on string',
      'fields.__x: expected a GraphQL name',
      'fields.id: expected a GraphQL name',
      'fields.9lives: expected a GraphQL name',
      'fields.tags.uses: expected sort on a field of type',
      'fields.extra.uses: expected filter on a field of type',
      'fields.picture.form: expected a known key',
    ]) {
      expect(faults.join('\n')).toContain(part);
    }
  });

  it.each([
    ['image on a number', 'image: int image', 'fields.image.uses'],
    ['facet on json', 'j: json facet', 'fields.j.uses'],
    ['sort on json', 'j: json sort', 'fields.j.uses'],
    ['search on a number', 'n: int search', 'fields.n.uses'],
    ['popularity twice', 'a: int popularity\n  b: float popularity', 'one field used for popularity'],
    ['a name of the filter logic', 'not: int', 'fields.not'],
    ['the field similar', 'similar: int', 'fields.similar'],
    ['the field cluster', 'cluster: int', 'fields.cluster'],
    ['__proto__ as a name', '__proto__: int', 'fields.__proto__'],
  ])('refuses %s', (_, field, part) => {
    expect(faultsOf(`template: "{title}"\nfields:\n  title: string\n  ${field}\n`).join('\n')).toContain(
      part,
    );
  });

  it.each(['Query', 'PageInfo', 'ModelVersion', 'String'])(
    'refuses the entity %s, which the schema has taken',
    (entity) => {
      expect(faultsOf(`entity: ${entity}\ntemplate: "{t}"\nfields: { t: string }`)).toHaveLength(1);
    },
  );

  it.each([
    ['text that is no YAML', 'a: [', 'expected YAML'],
    ['a key twice', 'entity: A\nentity: B', 'expected YAML'],
    ['a list', '- a', 'expected a map'],
    ['nothing', '', 'expected a map'],
    ['no fields', 'fields: {}\ntemplate: "{x}"', 'fields: expected at least one field'],
    [
      'a template without fields',
      'fields: { t: string }\ntemplate: hello',
      'template: expected at least one {field}',
    ],
    ['a json field in the template', 'fields: { t: json }\ntemplate: "{t}"', 'of type json'],
  ])('refuses %s', (_, yaml, part) => {
    expect(faultsOf(yaml).join('\n')).toContain(part);
  });

  it('names a file that is missing', () => {
    expect(() => loadCatalogue('/nowhere/catalogue.yaml')).toThrow(
      /nowhere\/catalogue\.yaml has a fault:\n.*ENOENT/,
    );
  });

  it('reads a file, and both samples are right', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'kindred-')), 'catalogue.yaml');
    writeFileSync(file, 'template: "{t}"\nfields: { t: string }');
    expect(loadCatalogue(file).fields).toHaveLength(1);
    expect(loadCatalogue(packageRoot('deploy/sample/catalogue.yaml')).fields).toHaveLength(9);
    expect(loadCatalogue(packageRoot('deploy/sample/chorus.catalogue.yaml')).fields.length).toBeGreaterThan(
      9,
    );
  });
});
