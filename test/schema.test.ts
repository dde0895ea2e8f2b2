import { readFileSync } from 'node:fs';
import {
  type GraphQLSchema,
  buildSchema,
  isEnumType,
  isInputObjectType,
  isIntrospectionType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  parse,
  printSchema,
  validate,
} from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { createSchema } from '../schema/index.js';
import { printApi } from '../schema/print.js';
import { loadCatalogue } from '../src/catalogue/load.js';
import { packageRoot } from '../src/package-root.js';
import { catalogue } from './schema-harness.js';

let schema: GraphQLSchema;
beforeAll(async () => {
  schema = await createSchema({ catalogue });
});

describe('the schema', () => {
  it('has exactly the contract of the queries, nullability included', () => {
    const fields = schema.getQueryType()!.getFields();
    const signature = (name: string): string => {
      const { args, type } = fields[name]!;
      return `${name}(${args.map((arg) => `${arg.name}: ${String(arg.type)}${arg.defaultValue === undefined ? '' : ` = ${JSON.stringify(arg.defaultValue)}`}`).join(', ')}): ${String(type)}`;
    };
    expect(
      Object.keys(fields)
        .filter((name) => !name.startsWith('_'))
        .map(signature)
        .sort(),
    ).toEqual([
      'embed(inputs: [EmbedInput!]!, purpose: EmbedPurpose! = "QUERY", onTooLong: TooLong! = "TRUNCATE", modelVersion: ID): [EmbedResult!]',
      'modelHistory(first: Int! = 50): [ModelEvent!]!',
      'models(): [ModelVersion!]!',
      'product(id: ID!): Product',
      'recommend(like: [ExampleInput!]! = [], dislike: [ExampleInput!]! = [], strategy: RecommendStrategy! = "AVERAGE_VECTOR", ' +
        'diversity: Float! = 0, filter: ProductFilter, first: Int! = 10, after: String, modelVersion: ID): ProductConnection',
      'search(query: String!, minScore: Float, mode: SearchMode! = "SEMANTIC", filter: ProductFilter, first: Int! = 10, after: String, modelVersion: ID): ProductConnection',
    ]);
  });

  it('has exactly the contract of the types, nullability included', () => {
    const shape = (name: string): string => {
      const type = schema.getType(name);
      if (!isObjectType(type)) throw new Error(`${name} is no object type`);
      return Object.values(type.getFields())
        .map((field) => `${field.name}: ${String(field.type)}`)
        .join(' ');
    };
    expect(shape('ProductConnection')).toBe(
      'edges: [ProductEdge!]! nodes: [Product]! pageInfo: PageInfo! modelVersion: ModelVersion! took: SearchTimings',
    );
    expect(shape('ProductEdge')).toBe('cursor: String! score: Float! relevance: Float node: Product');
    expect(shape('PageInfo')).toBe(
      'hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String',
    );
    expect(shape('Embedding')).toBe(
      'vector: Vector! base64: String! dimension: Int! tokens: Int! truncated: Boolean! passport: String! modelVersion: ModelVersion!',
    );
    expect(shape('ModelVersion')).toBe(
      'id: ID! name: String! dimension: Int! maxTokens: Int! role: ModelRole! state: VersionState! traffic: Float! health: ModelHealth! searchModes: [SearchMode!]! executionProvider: String degraded: Boolean! sunsetAt: DateTime successor: ID calibrated: Boolean! backfill: BackfillProgress verified: Verification trial: TrialFigures gate: GateRecord',
    );
    const mode = schema.getType('SearchMode');
    expect(isEnumType(mode) && mode.getValues().map(({ name }) => name)).toEqual([
      'SEMANTIC',
      'LEXICAL',
      'HYBRID',
    ]);
    expect(shape('Product')).toBe(
      'id: ID! title: String brand: String price: Float stock: SafeInt tags: [String!] released: DateTime inStock: Boolean extra: JSON similar: ProductConnection',
    );
  });

  it('generates a filter for every filterable field, by its type', () => {
    const type = schema.getType('ProductFilter');
    if (!isInputObjectType(type)) throw new Error('no filter');
    const fields = Object.values(type.getFields()).map((field) => `${field.name}: ${String(field.type)}`);
    expect(fields).toEqual([
      'and: [ProductFilter!]',
      'or: [ProductFilter!]',
      'not: ProductFilter',
      'brand: StringFilter',
      'price: FloatFilter',
      'stock: IntFilter',
      'tags: StringListFilter',
      'released: DateTimeFilter',
      'inStock: BooleanFilter',
    ]);
  });

  it('makes a required field of the catalogue non-null', async () => {
    const fields = catalogue.fields.map((field) => ({ ...field, required: field.name === 'title' }));
    const strict = await createSchema({ catalogue: { ...catalogue, fields } });
    const type = strict.getType('Product');
    expect(isObjectType(type) && String(type.getFields().title?.type)).toBe('String!');
  });

  it('names everything after the entity of the catalogue, beside a schema of another', async () => {
    const films = await createSchema({ catalogue: { ...catalogue, entity: 'FilmReel' } });
    expect(Object.keys(films.getQueryType()!.getFields())).toContain('filmReel');
    expect(films.getType('FilmReelConnection')).toBeDefined();
    expect(films.getType('ProductFilter')).toBeUndefined();
    expect(printSchema(await createSchema({ catalogue }))).toBe(printSchema(schema));
  });

  it('describes every type, field, argument, input and enum value', () => {
    const bare: string[] = [];
    const check = (name: string, { description }: { description?: string | null }): void => {
      if (!description) bare.push(name);
    };
    const own = buildSchema(printApi(schema));
    for (const type of Object.values(own.getTypeMap())) {
      if (isIntrospectionType(type) || isSpecifiedScalarType(type)) continue;
      check(type.name, type);
      if (isEnumType(type)) type.getValues().forEach((value) => check(`${type.name}.${value.name}`, value));
      if (!isObjectType(type) && !isInputObjectType(type)) continue;
      const fields = Object.values<{ name: string; description?: string | null }>(type.getFields());
      fields.forEach((field) => check(`${type.name}.${field.name}`, field));
      if (!isObjectType(type)) continue;
      for (const { name, args } of Object.values(type.getFields())) {
        args.forEach((arg) => check(`${type.name}.${name}(${arg.name})`, arg));
      }
    }
    expect(bare).toEqual([]);
  });

  it('prints an API schema without a trace of federation, that builds on its own', () => {
    const sdl = printApi(schema);
    expect(sdl).not.toMatch(/_Any|_entities|_service|link__|federation__|@key/);
    const own = buildSchema(sdl);
    expect(isScalarType(own.getType('Vector'))).toBe(true);
    expect(sdl).toContain('input ExampleInput @oneOf');
    expect(sdl).toContain('input EmbedInput @oneOf');
  });
});

describe('the emitted schema', () => {
  const sdl = readFileSync(packageRoot('schema/schema.graphql'), 'utf8');

  it('is current', async () => {
    const sample = loadCatalogue(packageRoot('deploy/sample/catalogue.yaml'));
    expect(printApi(await createSchema({ catalogue: sample }))).toBe(sdl);
  });

  it.each(['search', 'recommend', 'embed', 'product', 'models'])(
    'fits the document operations/%s.graphql',
    (name) => {
      const document = parse(readFileSync(packageRoot(`schema/operations/${name}.graphql`), 'utf8'));
      const fragments = parse(readFileSync(packageRoot('schema/operations/result-page.graphql'), 'utf8'));
      const used = document.definitions.some((each) => JSON.stringify(each).includes('ResultPage'));
      const definitions = [...document.definitions, ...(used ? fragments.definitions : [])];
      expect(validate(buildSchema(sdl), { ...document, definitions })).toEqual([]);
    },
  );
});
