import { GraphQLBoolean, GraphQLFloat, GraphQLID, GraphQLString } from 'graphql';
import { GraphQLJSON, GraphQLSafeInt } from 'graphql-scalars';
import { type ClassType, Field, InputType, ObjectType } from 'type-graphql';
import type { Catalogue, CatalogueField, FieldType } from '../src/catalogue/catalogue.js';
import type { FieldValue } from '../src/catalogue/item.js';
import { GraphQLDateTime } from './date-time.js';
import { FIELD_FILTERS } from './field-filters.js';
import { filterFields } from './filter-fields.js';

/** An entity as its resolvers read it: the key and every field of the catalogue by name. */
export interface EntitySource {
  readonly id: string;
  readonly [field: string]: FieldValue | undefined;
}

const OUTPUT_TYPES: Readonly<Record<FieldType, object>> = {
  string: GraphQLString,
  int: GraphQLSafeInt,
  float: GraphQLFloat,
  boolean: GraphQLBoolean,
  datetime: GraphQLDateTime,
  strings: [GraphQLString],
  json: GraphQLJSON,
};

/** Generates the entity's type: `id` and one field for each of the catalogue's. */
export function createEntityType(catalogue: Catalogue): ClassType {
  @ObjectType(catalogue.entity, {
    description: catalogue.description === '' ? 'An item of the catalogue.' : catalogue.description,
    simpleResolvers: true,
  })
  class Entity {
    @Field(() => GraphQLID, { description: 'The key in the catalogue.' })
    id!: string;
  }
  for (const field of catalogue.fields) {
    const description = describe(field);
    Field(() => OUTPUT_TYPES[field.type], { nullable: !field.required, description })(
      Entity.prototype,
      field.name,
    );
  }
  return Entity;
}

/** Generates the entity's filter: one condition for each filterable field, and `and`, `or`, `not`. */
export function createFilterType(catalogue: Catalogue): ClassType {
  @InputType(`${catalogue.entity}Filter`, {
    description:
      'Which items may come back. All conditions that are given must hold; a condition that is null counts as not given.',
  })
  class EntityFilter {
    @Field(() => [EntityFilter], { nullable: true, description: 'Every one of these must hold.' })
    and?: EntityFilter[] | null;

    @Field(() => [EntityFilter], {
      nullable: true,
      description: 'At least one of these must hold; none does in an empty list.',
    })
    or?: EntityFilter[] | null;

    @Field(() => EntityFilter, {
      nullable: true,
      description: 'This must not hold. A condition on a missing value does not hold, so its negation does.',
    })
    not?: EntityFilter | null;
  }
  for (const field of filterFields(catalogue)) {
    const type = FIELD_FILTERS[field.type];
    if (type === null) continue;
    Field(() => type, { nullable: true, description: describe(field) })(EntityFilter.prototype, field.name);
  }
  return EntityFilter;
}

function describe({ description, name }: CatalogueField): string {
  return description === '' ? `The field \`${name}\` of the catalogue.` : description;
}
