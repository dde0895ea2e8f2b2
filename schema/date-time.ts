import { GraphQLScalarType } from 'graphql';
import { GraphQLDateTimeISO } from 'graphql-scalars';

/** A moment: a Date inside (an ISO 8601 string may be answered as it is). */
export const GraphQLDateTime = new GraphQLScalarType({
  ...GraphQLDateTimeISO.toConfig(),
  name: 'DateTime',
  description:
    'A moment as RFC 3339 has it, with an offset: `2024-05-17T08:30:00Z`. Answers are in UTC, with milliseconds.',
});
