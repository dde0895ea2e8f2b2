import { GraphQLError } from 'graphql';

/** A request that is refused before it becomes a GraphQL operation; `statusCode` is what Fastify reads. */
export type RequestFault = GraphQLError & { readonly statusCode: number };

/** Makes the error of a bad HTTP request; its message goes out. */
export function requestFault(status: number, message: string): RequestFault {
  const error = new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status } } });
  return Object.assign(error, { statusCode: status });
}

/** Whether `error` was made by {@link requestFault}. */
export function isRequestFault(error: unknown): error is RequestFault {
  return error instanceof GraphQLError && 'statusCode' in error;
}
