import { GraphQLBoolean, GraphQLFloat, GraphQLString } from 'graphql';
import { GraphQLSafeInt } from 'graphql-scalars';
import { type ClassType, Field, InputType } from 'type-graphql';
import type { FieldType } from '../src/catalogue/catalogue.js';
import { GraphQLDateTime } from './date-time.js';

const EQ = 'Items whose value is this one. Null is refused: ask `exists: false` for items without a value.';
const IN = 'Items whose value is one of these; none for an empty list.';
const EXISTS = 'True: items that have a value. False: items that have none.';

/** Conditions on a text. All that are given must hold. */
@InputType({
  description: 'Conditions on a text; all that are given must hold. Upper and lower case differ.',
})
class StringFilter {
  @Field(() => GraphQLString, { nullable: true, description: EQ })
  eq?: string | null;

  @Field(() => [GraphQLString], { nullable: true, description: IN })
  in?: string[] | null;

  @Field(() => GraphQLBoolean, { nullable: true, description: EXISTS })
  exists?: boolean | null;
}

/** Conditions on a value with an order, as every such filter shares them. */
export interface OrderedFilter<T> {
  eq?: T | null;
  in?: T[] | null;
  gt?: T | null;
  gte?: T | null;
  lt?: T | null;
  lte?: T | null;
  exists?: boolean | null;
}

/** Conditions on a whole number. */
const IntFilter = orderedFilter('IntFilter', GraphQLSafeInt, 'a whole number, -(2^53 - 1) to 2^53 - 1');

/** Conditions on a number. */
const FloatFilter = orderedFilter('FloatFilter', GraphQLFloat, 'a number');

/** Conditions on a moment. */
const DateTimeFilter = orderedFilter('DateTimeFilter', GraphQLDateTime, 'a moment');

/** Conditions on a yes or no. */
@InputType({ description: 'Conditions on a yes or no; all that are given must hold.' })
class BooleanFilter {
  @Field(() => GraphQLBoolean, { nullable: true, description: EQ })
  eq?: boolean | null;

  @Field(() => GraphQLBoolean, { nullable: true, description: EXISTS })
  exists?: boolean | null;
}

/** Conditions on a list of texts. */
@InputType({ description: 'Conditions on a list of texts; all that are given must hold.' })
export class StringListFilter {
  @Field(() => GraphQLString, {
    nullable: true,
    description: 'Items whose list has this element. Null is refused.',
  })
  contains?: string | null;

  @Field(() => [GraphQLString], {
    nullable: true,
    description: 'Items whose list has at least one of these elements; none for an empty list.',
  })
  containsAny?: string[] | null;

  @Field(() => GraphQLBoolean, {
    nullable: true,
    description: 'True: items whose list has an element. False: items whose list is empty or missing.',
  })
  exists?: boolean | null;
}

/** The filter input for fields of a type; null for types that can't be filtered by. */
export const FIELD_FILTERS: Readonly<Record<FieldType, ClassType | null>> = {
  string: StringFilter,
  int: IntFilter,
  float: FloatFilter,
  boolean: BooleanFilter,
  datetime: DateTimeFilter,
  strings: StringListFilter,
  json: null,
};

function orderedFilter(name: string, type: object, what: string): ClassType {
  @InputType(name, { description: `Conditions on ${what}; all that are given must hold.` })
  class Ordered {
    @Field(() => type, { nullable: true, description: EQ })
    eq?: unknown;

    @Field(() => [type], { nullable: true, description: IN })
    in?: unknown;

    @Field(() => type, { nullable: true, description: 'Items whose value is greater than this one.' })
    gt?: unknown;

    @Field(() => type, { nullable: true, description: 'Items whose value is this one or greater.' })
    gte?: unknown;

    @Field(() => type, { nullable: true, description: 'Items whose value is less than this one.' })
    lt?: unknown;

    @Field(() => type, { nullable: true, description: 'Items whose value is this one or less.' })
    lte?: unknown;

    @Field(() => GraphQLBoolean, { nullable: true, description: EXISTS })
    exists?: boolean | null;
  }
  return Ordered;
}
