import {
  type ModelServer,
  type ServedAnswer,
  type ServedRequest,
  servedBatch,
  startModelServer,
} from './model-server.js';

interface InferRequest {
  readonly inputs: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly datatype: string;
    readonly parameters?: { readonly binary_data_size?: number };
    readonly data?: readonly string[];
  }[];
  readonly outputs?: readonly {
    readonly name: string;
    readonly parameters?: { readonly binary_data?: boolean };
  }[];
}

const HEADER_LENGTH = 'inference-header-content-length';

/** A server with the Open Inference Protocol v2 and its binary tensor data extension: a model `bag` in version 1. */
export function startOpenInferenceServer(): Promise<ModelServer> {
  return startModelServer({
    answer: async (request) => {
      const { method, path } = request;
      const [, version = '1', verb] =
        /^\/v2\/models\/bag(?:\/versions\/(\w+))?\/(ready|infer)$/.exec(path) ?? [];
      if (verb === undefined || version !== '1') return fail(404, `Request for unknown model: '${path}'`);
      if (method === 'GET' && verb === 'ready') return {};
      const { texts, outputs } = readRequest(request);
      return servedBatch(
        texts,
        ({ status }) => fail(status, 'the model refuses the text'),
        (rows) => {
          const size = rows[0]?.vector.length ?? 0;
          const tensors: Record<string, [string, number[], number[]]> = {
            embedding: ['FP32', [rows.length, size], rows.flatMap(({ vector }) => vector)],
            tokens: ['INT64', [rows.length], rows.map(({ tokens }) => tokens)],
            truncated: ['BOOL', [rows.length], rows.map(({ truncated }) => Number(truncated))],
          };
          return answerOf(
            outputs.flatMap(({ name, parameters }) => {
              const tensor = tensors[name];
              return tensor ? [{ name, tensor, binary: parameters?.binary_data === true }] : [];
            }),
          );
        },
      );
    },
  });
}

function readRequest({ headers, body }: ServedRequest): {
  texts: string[];
  outputs: NonNullable<InferRequest['outputs']>;
} {
  const length = Number(headers[HEADER_LENGTH] ?? body.length);
  const { inputs, outputs = [] } = JSON.parse(body.toString('utf8', 0, length)) as InferRequest;
  const [input] = inputs;
  if (input?.name !== 'text' || input.datatype !== 'BYTES')
    throw new Error('expected an input text of BYTES');
  if (input.data) return { texts: [...input.data], outputs };
  const texts: string[] = [];
  const end = length + (input.parameters?.binary_data_size ?? 0);
  for (let at = length; at < end;) {
    const size = body.readUInt32LE(at);
    texts.push(body.toString('utf8', at + 4, at + 4 + size));
    at += 4 + size;
  }
  if (input.shape.reduce((product, each) => product * each, 1) !== texts.length)
    throw new Error('expected as many texts as the shape says');
  return { texts, outputs };
}

function answerOf(
  outputs: readonly { name: string; tensor: [string, number[], number[]]; binary: boolean }[],
): ServedAnswer {
  const blobs: Buffer[] = [];
  const heads = outputs.map(({ name, tensor: [datatype, shape, data], binary }) => {
    if (!binary) return { name, datatype, shape, data };
    const blob = bytesOf(datatype, data);
    blobs.push(blob);
    return { name, datatype, shape, parameters: { binary_data_size: blob.length } };
  });
  const json = Buffer.from(JSON.stringify({ model_name: 'bag', model_version: '1', outputs: heads }));
  if (blobs.length === 0) return { body: json };
  return {
    headers: { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(json.length) },
    body: Buffer.concat([json, ...blobs]),
  };
}

function bytesOf(datatype: string, data: number[]): Buffer {
  if (datatype === 'FP32') return Buffer.from(new Float32Array(data).buffer);
  if (datatype === 'INT64') return Buffer.from(new BigInt64Array(data.map(BigInt)).buffer);
  return Buffer.from(data);
}

function fail(status: number, error: string): ServedAnswer {
  return { status, body: JSON.stringify({ error }) };
}
