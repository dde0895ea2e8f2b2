import { endianness } from 'node:os';
import { GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { type KindredError, badInput } from '../src/errors.js';

/** Numbers in a vector at most: the largest dimension that vector databases take (Milvus: 32,768). Longer lists are refused unread. */
const MAX_LENGTH = 32_768;
const BIG_ENDIAN = endianness() === 'BE';

/**
 * A vector: a Float32Array inside. Clients send and get a JSON list of numbers; base64 of little-endian float32 is taken too, and is
 * many times cheaper to read.
 */
export const GraphQLVector = new GraphQLScalarType<Float32Array, number[]>({
  name: 'Vector',
  description:
    'A vector: a list of numbers, each finite in float32. As input also a string: base64 (standard alphabet, padded) of little-endian float32.',
  serialize: (value) => {
    if (!(value instanceof Float32Array)) throw badInput('expected a Float32Array to answer as Vector');
    return Array.from(value);
  },
  parseValue: (value) => {
    if (typeof value === 'string') return fromBase64(value);
    if (!Array.isArray(value)) throw notAVector(value);
    return fromNumbers(value.length, (index) => (value as readonly unknown[])[index]);
  },
  parseLiteral: (node) => {
    if (node.kind === Kind.STRING) return fromBase64(node.value);
    if (node.kind !== Kind.LIST) throw notAVector(node.kind);
    return fromNumbers(node.values.length, (index) => literalNumber(node.values[index]));
  },
});

function fromBase64(text: string): Float32Array {
  checkLength(Math.floor((text.length * 3) / 16));
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length % 4 !== 0 || bytes.toString('base64') !== text) {
    throw badInput('expected base64 of whole little-endian float32 numbers, but got another string');
  }
  if (BIG_ENDIAN) bytes.swap32();
  const vector = new Float32Array(bytes.length / 4);
  new Uint8Array(vector.buffer).set(bytes);
  const wrong = vector.findIndex((value) => !Number.isFinite(value));
  if (wrong !== -1) throw notFinite(wrong);
  return vector;
}

/** Reads `length` values by index, so that holes of a sparse list are seen and refused. */
function fromNumbers(length: number, read: (index: number) => unknown): Float32Array {
  checkLength(length);
  const vector = new Float32Array(length);
  for (let index = 0; index < length; index++) {
    const value = read(index);
    if (typeof value !== 'number') {
      throw badInput(`expected a number at index ${index} of a vector, but got ${kindOf(value)}`);
    }
    vector[index] = value;
    if (!Number.isFinite(vector[index])) {
      throw notFinite(index);
    }
  }
  return vector;
}

function notFinite(index: number): KindredError {
  return badInput(`expected a finite float32 at index ${index} of a vector`, 'NOT_FINITE');
}

function checkLength(length: number): void {
  if (length > MAX_LENGTH) {
    throw badInput(
      `expected a vector of at most ${MAX_LENGTH} numbers, but got ${length}`,
      'DIMENSION_MISMATCH',
    );
  }
}

function literalNumber(node: ValueNode | undefined): unknown {
  return node?.kind === Kind.INT || node?.kind === Kind.FLOAT ? Number(node.value) : node?.kind;
}

function notAVector(value: unknown): KindredError {
  return badInput(`expected a list of numbers or base64 as a vector, but got ${kindOf(value)}`);
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value;
}
