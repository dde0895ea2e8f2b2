/** A field of a protobuf message: its number and, where it holds bytes, those. */
interface Field {
  readonly number: number;
  readonly bytes: Uint8Array | undefined;
}

/** Numbers of the fields of onnx.proto3 below which tensors lie. */
const MODEL = { graph: 7, functions: 25 } as const;
const GRAPH = { node: 1, initializer: 5, sparseInitializer: 15 } as const;
const FUNCTION = { node: 7 } as const;
const NODE = { attribute: 5 } as const;
const ATTRIBUTE = { t: 5, g: 6, tensors: 10, graphs: 11, sparseTensor: 22, sparseTensors: 23 } as const;
const SPARSE = { values: 1, indices: 2 } as const;
const TENSOR = { externalData: 13 } as const;
const ENTRY = { key: 1, value: 2 } as const;

/**
 * Paths, relative to the model's folder, of the files that hold its weights when model.onnx itself does not (more than 2 GB, or
 * exported so). Throws when the bytes are no protobuf message.
 */
export function externalFiles(model: Uint8Array): string[] {
  const paths = new Set<string>();

  const tensor = (bytes: Uint8Array): void => {
    each(bytes, { [TENSOR.externalData]: entry });
  };
  const entry = (bytes: Uint8Array): void => {
    const texts = new Map<number, string>();
    for (const { number, bytes: text } of fields(bytes))
      if (text) texts.set(number, Buffer.from(text).toString('utf8'));
    const value = texts.get(ENTRY.value);
    if (texts.get(ENTRY.key) === 'location' && value !== undefined) paths.add(value);
  };
  const sparse = (bytes: Uint8Array): void => {
    each(bytes, { [SPARSE.values]: tensor, [SPARSE.indices]: tensor });
  };
  const attribute = (bytes: Uint8Array): void => {
    each(bytes, {
      [ATTRIBUTE.t]: tensor,
      [ATTRIBUTE.tensors]: tensor,
      [ATTRIBUTE.g]: graph,
      [ATTRIBUTE.graphs]: graph,
      [ATTRIBUTE.sparseTensor]: sparse,
      [ATTRIBUTE.sparseTensors]: sparse,
    });
  };
  const node = (bytes: Uint8Array): void => {
    each(bytes, { [NODE.attribute]: attribute });
  };
  const graph = (bytes: Uint8Array): void => {
    each(bytes, { [GRAPH.node]: node, [GRAPH.initializer]: tensor, [GRAPH.sparseInitializer]: sparse });
  };
  each(model, {
    [MODEL.graph]: graph,
    [MODEL.functions]: (bytes) => {
      each(bytes, { [FUNCTION.node]: node });
    },
  });
  return [...paths];
}

function each(message: Uint8Array, visit: Readonly<Record<number, (bytes: Uint8Array) => void>>): void {
  for (const { number, bytes } of fields(message)) if (bytes) visit[number]?.(bytes);
}

/** The fields of a message, in their order. */
function* fields(message: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) break;
      // Not by shifts, which would cut it to 32 bits; what is longer than 53 bits is no length.
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('expected an ONNX model, but it is no protobuf message');
  };
  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    let bytes: Uint8Array | undefined;
    if (wire === 0) varint();
    else if (wire === 1 || wire === 5) at += wire === 1 ? 8 : 4;
    else if (wire === 2) {
      const length = varint();
      bytes = message.subarray(at, at + length);
      at += length;
    } else at = Infinity;
    if (at > message.length) throw new Error('expected an ONNX model, but it is no whole protobuf message');
    yield { number, bytes };
  }
}
