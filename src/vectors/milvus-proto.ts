import { createRequire } from 'node:module';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { INamespace, Type } from 'protobufjs';
import type { MilvusStatus } from './milvus-fault.js';

/** A long of protobufjs, or a number where it fits one. */
type Int64 = number | { toNumber(): number };

/** The parts of `milvus.proto` that searches and queries use; the names are those of the protocol. */
export interface SearchRequest {
  readonly db_name: string;
  readonly collection_name: string;
  /** The filter; '' for none. */
  readonly dsl: string;
  /** 1: a boolean expression. */
  readonly dsl_type: 1;
  /** An encoded PlaceholderGroup. */
  readonly placeholder_group: Uint8Array;
  readonly output_fields: readonly string[];
  readonly search_params: readonly KeyValue[];
  readonly nq: number;
  readonly consistency_level: number;
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export interface SearchResults {
  readonly status?: MilvusStatus;
  readonly results?: {
    /** How many hits each query has; ids and scores of all follow one another. */
    readonly topks: readonly Int64[];
    readonly scores: readonly number[];
    /** The output fields, a value a hit. */
    readonly fields_data: readonly FieldData[];
    readonly ids?: {
      readonly str_id?: { readonly data: readonly string[] };
      readonly int_id?: { readonly data: readonly Int64[] };
    };
  };
}

export interface QueryRequest {
  readonly db_name: string;
  readonly collection_name: string;
  readonly expr: string;
  readonly output_fields: readonly string[];
  readonly query_params: readonly KeyValue[];
  readonly consistency_level: number;
}

/** One column of an answer, a value a row. */
export interface FieldData {
  readonly field_name: string;
  /** Which rows have a value, where the column may hold nulls. */
  readonly valid_data?: readonly boolean[];
  readonly scalars?: ScalarField;
  readonly vectors?: { readonly dim: Int64; readonly float_vector?: { readonly data: readonly number[] } };
}

interface ScalarField {
  readonly string_data?: { readonly data: readonly string[] };
  readonly long_data?: { readonly data: readonly Int64[] };
  readonly int_data?: { readonly data: readonly number[] };
  readonly float_data?: { readonly data: readonly number[] };
  readonly double_data?: { readonly data: readonly number[] };
  readonly bool_data?: { readonly data: readonly boolean[] };
  readonly json_data?: { readonly data: readonly Uint8Array[] };
  readonly array_data?: { readonly data: readonly ScalarField[] };
}

export interface QueryResults {
  readonly status?: MilvusStatus;
  readonly fields_data: readonly FieldData[];
}

/** A method of the service as grpc-js calls it. */
export type Method<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  'path' | 'requestSerialize' | 'responseDeserialize'
>;

/** The calls that are made straight with grpc-js, and the encoder of query vectors. */
export interface MilvusProto {
  readonly search: Method<SearchRequest, SearchResults>;
  readonly query: Method<QueryRequest, QueryResults>;
  /** Queries as the protocol wants them: vectors as little-endian float32, no number is ever turned into text; texts as UTF-8. */
  placeholders(queries: readonly Float32Array[] | readonly string[]): Uint8Array;
}

const SERVICE = '/milvus.proto.milvus.MilvusService';
/** PlaceholderType */
const [VAR_CHAR, FLOAT_VECTOR] = [21, 101];

/** Reads Milvus' own protocol files, which the SDK carries as JSON. */
export async function loadMilvusProto(): Promise<MilvusProto> {
  const { default: protobuf } = await import('protobufjs');
  const require = createRequire(import.meta.url);
  const sdk = require.resolve('@zilliz/milvus2-sdk-node');
  const { default: json } = createRequire(sdk)('./proto-json/milvus.js') as {
    default: INamespace;
  };
  const root = protobuf.Root.fromJSON(json);
  const type = (name: string): Type => root.lookupType(`milvus.proto.${name}`);
  const method = <Request extends object, Response>(
    name: string,
    request: string,
    response: string,
  ): Method<Request, Response> => {
    const [ask, answer] = [type(request), type(response)];
    return {
      path: `${SERVICE}/${name}`,
      requestSerialize: (message) => Buffer.from(ask.encode(message).finish()),
      responseDeserialize: (bytes) => answer.decode(bytes) as unknown as Response,
    };
  };
  const group = type('common.PlaceholderGroup');
  return {
    search: method('Search', 'milvus.SearchRequest', 'milvus.SearchResults'),
    query: method('Query', 'milvus.QueryRequest', 'milvus.QueryResults'),
    placeholders: (queries) => {
      const type = typeof queries[0] === 'string' ? VAR_CHAR : FLOAT_VECTOR;
      return group.encode({ placeholders: [{ tag: '$0', type, values: queries.map(bytesOf) }] }).finish();
    },
  };
}

function bytesOf(query: Float32Array | string): Uint8Array {
  if (typeof query === 'string') return Buffer.from(query, 'utf8');
  const vector = query;
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

/** An int64 of an answer as a number. */
export function toNumber(value: Int64): number {
  return typeof value === 'number' ? value : value.toNumber();
}

/** The column of an answer by its name; undefined where it was not asked for. */
export function columnData(columns: readonly FieldData[], name: string): FieldData | undefined {
  return columns.find(({ field_name: each }) => each === name);
}
