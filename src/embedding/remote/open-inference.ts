import { z } from 'zod';
import type { OpenInferenceManifest } from '../../models/remote-manifest.js';
import { badAnswer } from './fault.js';
import { littleEndianFloats, rowsOf } from './floats.js';
import { parseAnswer, perText } from './json.js';
import { HEADER_LENGTH, type Tensor, encodeBytes, splitAnswer } from './open-inference-binary.js';
import type { RawVector, RemoteProtocol, RemoteRequest } from './protocol.js';

const tensorSchema = z.object({
  name: z.string(),
  shape: z.array(z.int().min(0)),
  datatype: z.string(),
  // KServe writes null for what is absent.
  parameters: z.record(z.string(), z.unknown()).nullish(),
  data: z.custom<readonly unknown[]>(Array.isArray, 'expected a list').nullish(),
});

const answerSchema = z.object({ outputs: z.array(tensorSchema) });

/**
 * Open Inference Protocol v2 over REST (github.com/kserve/open-inference-protocol), in JSON or with the binary tensor data extension
 * (Triton's protocol/extension_binary_data.md).
 */
export function createOpenInference(manifest: OpenInferenceManifest): RemoteProtocol {
  const { encoding, input, inputRank, outputs, parameters } = manifest;
  const binary = encoding === 'binary';
  const path = modelPath(manifest);
  const wanted = [outputs.embedding, outputs.tokens, outputs.truncated].filter((name) => name !== undefined);
  const head = {
    ...(Object.keys(parameters).length > 0 && { parameters }),
    outputs: wanted.map((name) => ({ name, ...(binary && { parameters: { binary_data: true } }) })),
  };
  return {
    ready: { method: 'GET', path: `${path}/ready` },
    embed: (texts): RemoteRequest => {
      const shape = inputRank === 1 ? [texts.length] : [texts.length, 1];
      const tensor = { name: input, shape, datatype: 'BYTES' };
      if (!binary) {
        const body = JSON.stringify({ ...head, inputs: [{ ...tensor, data: texts }] });
        return {
          method: 'POST',
          path: `${path}/infer`,
          headers: { 'content-type': 'application/json' },
          body,
        };
      }
      const data = encodeBytes(texts);
      const inputs = [{ ...tensor, parameters: { binary_data_size: data.length } }];
      const json = Buffer.from(JSON.stringify({ ...head, inputs }));
      return {
        method: 'POST',
        path: `${path}/infer`,
        headers: { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(json.length) },
        body: Buffer.concat([json, data]),
      };
    },
    read: (answer, count) => {
      const { json, data } = splitAnswer(answer);
      const tensors = data(parseAnswer(answerSchema, json).outputs);
      const find = (name: string): Tensor => {
        const found = tensors.find((tensor) => tensor.name === name);
        if (!found) throw badAnswer(`expected an output ${name}`);
        return found;
      };
      const read = (name: string | undefined): number[] | undefined =>
        name === undefined ? undefined : perText(valuesOf(find(name)), count, name);
      const tokens = read(outputs.tokens);
      return {
        vectors: vectorsOf(find(outputs.embedding), count),
        tokens,
        truncated: read(outputs.truncated)?.map(Boolean),
        totalTokens: tokens?.reduce((sum, each) => sum + each, 0),
      };
    },
  };
}

function modelPath({ model, version }: OpenInferenceManifest): string {
  const path = `/v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}

function vectorsOf({ name, datatype, shape, bytes, data }: Tensor, count: number): RawVector[] {
  if (shape[0] !== count)
    throw badAnswer(`expected ${name} to have ${String(count)} rows, but got the shape ${shape.join(' x ')}`);
  if (bytes) {
    if (datatype !== 'FP32') throw badAnswer(`expected ${name} to be FP32, but got ${datatype}`);
    return rowsOf(littleEndianFloats(bytes), count);
  }
  // The specification has JSON data either nested or flat.
  return rowsOf((data ?? []).flat(8) as number[], count);
}

function valuesOf({ name, datatype, bytes, data }: Tensor): readonly unknown[] {
  if (!bytes) return data ?? [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const read = (size: number, at: (offset: number) => number): number[] =>
    Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => at(index * size));
  switch (datatype) {
    case 'BOOL':
    case 'UINT8':
      return [...bytes];
    case 'INT32':
      return read(4, (offset) => view.getInt32(offset, true));
    case 'UINT32':
      return read(4, (offset) => view.getUint32(offset, true));
    case 'INT64':
      return read(8, (offset) => Number(view.getBigInt64(offset, true)));
    case 'FP32':
      return read(4, (offset) => view.getFloat32(offset, true));
    default:
      throw badAnswer(`expected ${name} to hold integers or booleans, but got ${datatype}`);
  }
}
