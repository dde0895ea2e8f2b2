import { z } from 'zod';
import type { TensorFlowServingManifest } from '../../models/remote-manifest.js';
import { badAnswer } from './fault.js';
import { numbers, parseAnswer, perText } from './json.js';
import type { RemoteProtocol, RemoteVectors } from './protocol.js';

const list = z.custom<readonly unknown[]>(Array.isArray, 'expected a list');
const rowSchema = z.object({ predictions: list });
const columnSchema = z.object({ outputs: z.union([list, z.record(z.string(), list)]) });
const namedRow = z.record(z.string(), z.unknown());

/** TensorFlow Serving's REST API (www.tensorflow.org/tfx/serving/api_rest): `:predict` in row or columnar format. */
export function createTensorFlowServing(manifest: TensorFlowServingManifest): RemoteProtocol {
  const { format, encoding, input, signature, outputs, parameters } = manifest;
  const path = modelPath(manifest);
  const valueOf = (text: string): unknown =>
    encoding === 'text' ? text : { b64: Buffer.from(text).toString('base64') };
  const head = { ...parameters, ...(signature !== undefined && { signature_name: signature }) };
  const bodyOf = (texts: readonly string[]): object => {
    const values = texts.map(valueOf);
    if (format === 'columnar') return { ...head, inputs: input === undefined ? values : { [input]: values } };
    // A signature with one input takes its values bare.
    return { ...head, instances: input === undefined ? values : values.map((value) => ({ [input]: value })) };
  };
  return {
    ready: { method: 'GET', path },
    embed: (texts) => ({
      method: 'POST',
      path: `${path}:predict`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(bodyOf(texts)),
    }),
    read: ({ body }, count) => {
      const column =
        format === 'row'
          ? columnOfRows(parseAnswer(rowSchema, body).predictions, outputs.embedding)
          : columnOf(parseAnswer(columnSchema, body).outputs, outputs.embedding);
      return vectorsOf(column, outputs, count);
    },
  };
}

/** The values of one output by its name. */
type Column = (name: string) => readonly unknown[];

function modelPath({ model, version }: TensorFlowServingManifest): string {
  const path = `/v1/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${version}`;
}

/** With one output, each row is its value; with several, an object by name. */
function columnOfRows(rows: readonly unknown[], only: string): Column {
  const named = rows.map((row) =>
    Array.isArray(row) ? { [only]: row as unknown } : namedRow.safeParse(row).data,
  );
  return (name) =>
    named.map((row) => {
      if (row?.[name] === undefined) throw badAnswer(`expected predictions with ${name}`);
      return row[name];
    });
}

function columnOf(outputs: readonly unknown[] | Record<string, readonly unknown[]>, only: string): Column {
  const named = Array.isArray(outputs) ? { [only]: outputs as readonly unknown[] } : outputs;
  return (name) => {
    const values = (named as Record<string, readonly unknown[]>)[name];
    if (values === undefined) throw badAnswer(`expected outputs with ${name}`);
    return values;
  };
}

function vectorsOf(
  column: Column,
  { embedding, tokens, truncated }: TensorFlowServingManifest['outputs'],
  count: number,
): RemoteVectors {
  const rows = column(embedding);
  if (rows.length !== count)
    throw badAnswer(`expected ${String(count)} rows of ${embedding}, but got ${String(rows.length)}`);
  const vectors = rows.map((row) => {
    const parsed = numbers.safeParse(row);
    if (!parsed.success) throw badAnswer(`expected ${embedding} to hold lists of numbers`);
    return parsed.data;
  });
  const read = (name: string | undefined): number[] | undefined =>
    name === undefined ? undefined : perText(column(name), count, name);
  const counts = read(tokens);
  return {
    vectors,
    tokens: counts,
    truncated: read(truncated)?.map(Boolean),
    totalTokens: counts?.reduce((sum, each) => sum + each, 0),
  };
}
