import { badAnswer } from './fault.js';
import type { RemoteAnswer } from './protocol.js';

/** Length of the JSON before the tensors' bytes. */
export const HEADER_LENGTH = 'inference-header-content-length';

/** An output as the JSON describes it. */
interface TensorHead {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly parameters?: Readonly<Record<string, unknown>> | null;
  readonly data?: readonly unknown[] | null;
}

/** An output with what it holds: either `data` or `bytes`. */
export interface Tensor extends TensorHead {
  /** In the byte order of the extension, little endian. */
  readonly bytes?: Buffer;
}

/** Texts as a BYTES tensor: each with its length in bytes before it, 4 bytes little endian. */
export function encodeBytes(texts: readonly string[]): Buffer {
  const sizes = texts.map((text) => Buffer.byteLength(text));
  const tensor = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + 4 + size, 0));
  let at = 0;
  texts.forEach((text, index) => {
    at = tensor.writeUInt32LE(sizes[index] ?? 0, at);
    at += tensor.write(text, at);
  });
  return tensor;
}

/** Parts an answer into its JSON and a function that gives each output its bytes, which follow in the outputs' order. */
export function splitAnswer({ headers, body }: RemoteAnswer): {
  json: Buffer;
  data: (outputs: readonly TensorHead[]) => Tensor[];
} {
  const header = headers[HEADER_LENGTH];
  const length = header === undefined ? body.length : Number(header);
  if (!Number.isInteger(length) || length < 0 || length > body.length)
    throw badAnswer(`expected ${HEADER_LENGTH} to be at most ${String(body.length)}`);
  return {
    json: body.subarray(0, length),
    data: (outputs) => {
      let at = length;
      return outputs.map((output) => {
        const size = output.parameters?.binary_data_size;
        if (size === undefined) return output;
        if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || at + size > body.length)
          throw badAnswer(`expected binary_data_size of ${output.name} to be what follows`);
        at += size;
        return { ...output, bytes: body.subarray(at - size, at) };
      });
    },
  };
}
