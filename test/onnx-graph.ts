/** Element types of onnx.proto3. */
export const TYPES = { float: 1, int32: 6, int64: 7 } as const;
const FLOAT_BYTES = 4;
const IR_VERSION = 8;
const OPSET = 17;
const EXTERNAL = 1;

/** A tensor of float32, in the graph or in a file beside it. */
export interface Weights {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: readonly number[];
  /** The file that holds them, relative to the model's folder. */
  readonly file?: string;
}

/** An operator with its whole-number attributes. */
export interface Operator {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

/** A value with names for the sizes that vary. */
export interface Value {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly (string | number)[];
}

/** A small graph. */
export interface GraphDefinition {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly weights: readonly Weights[];
  readonly operators: readonly Operator[];
}

type Field = readonly [number, number | string | Buffer];

/** Encodes a graph as ONNX: enough of protobuf and onnx.proto3 for the graphs of tests, so that these need no Python. */
export function encodeOnnx({ inputs, outputs, weights, operators }: GraphDefinition): Buffer {
  const graph = message([
    ...operators.map((each): Field => [1, operator(each)]),
    [2, 'graph'],
    ...weights.map((each): Field => [5, tensor(each)]),
    ...inputs.map((each): Field => [11, value(each)]),
    ...outputs.map((each): Field => [12, value(each)]),
  ]);
  const opset = message([
    [1, ''],
    [2, OPSET],
  ]);
  return message([
    [1, IR_VERSION],
    [8, opset],
    [7, graph],
  ]);
}

/** The bytes of numbers as float32. */
export function floatBytes(values: readonly number[]): Buffer {
  return Buffer.from(Float32Array.from(values).buffer);
}

function operator({ type, inputs, output, attributes = {} }: Operator): Buffer {
  return message([
    ...inputs.map((name): Field => [1, name]),
    [2, output],
    [4, type],
    ...Object.entries(attributes).map(([name, given]): Field => [5, attribute(name, given)]),
  ]);
}

function attribute(name: string, given: number | readonly number[]): Buffer {
  const [INT, INTS] = [2, 7];
  return typeof given === 'number'
    ? message([
        [1, name],
        [3, given],
        [20, INT],
      ])
    : message([[1, name], ...given.map((each): Field => [8, each]), [20, INTS]]);
}

function tensor({ name, dims, values, file }: Weights): Buffer {
  const data: Field[] =
    file === undefined
      ? [[9, floatBytes(values)]]
      : [
          [13, entry('location', file)],
          [13, entry('length', String(values.length * FLOAT_BYTES))],
          [14, EXTERNAL],
        ];
  return message([...dims.map((size): Field => [1, size]), [2, TYPES.float], [8, name], ...data]);
}

function entry(key: string, text: string): Buffer {
  return message([
    [1, key],
    [2, text],
  ]);
}

function value({ name, type, shape }: Value): Buffer {
  const dims = shape.map((size): Field => [1, message([typeof size === 'string' ? [2, size] : [1, size]])]);
  const tensorType = message([
    [1, type],
    [2, message(dims)],
  ]);
  return message([
    [1, name],
    [2, message([[1, tensorType]])],
  ]);
}

/** A protobuf message: numbers as varints, all else behind its length. */
function message(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([number, content]) => {
      if (typeof content === 'number') return [varint(number * 8), varint(content)];
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      return [varint(number * 8 + 2), varint(bytes.length), bytes];
    }),
  );
}

/** A whole number in seven-bit groups; a negative one as the 64-bit number that it is. */
function varint(number: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(number));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}
