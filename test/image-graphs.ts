import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../src/package-root.js';
import { plain } from './images.js';

/** Width and height of the images that the graphs take. */
const SIDE = 4;
const FLOAT = 1;
const INT64 = 7;
/** Words that the text graph knows, each the axis of its colour. */
const WORDS = ['red', 'green', 'blue'];

type Field = readonly [number, bigint | Buffer];

/** A message of protobuf: numbers as varints, all else behind its length. */
function message(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([number, value]) => {
      const key = (kind: number): Buffer => varint(BigInt(number * 8 + kind));
      return typeof value === 'bigint'
        ? [key(0), varint(value)]
        : [key(2), varint(BigInt(value.length)), value];
    }),
  );
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

const text = (value: string): Buffer => Buffer.from(value, 'utf8');

/** An input or output, with names for the sizes that may vary (onnx.proto3, ValueInfoProto). */
function value(name: string, type: number, shape: readonly (string | number)[]): Buffer {
  const dims = shape.map((size): Field => [
    1,
    message([typeof size === 'string' ? [2, text(size)] : [1, BigInt(size)]]),
  ]);
  const tensor = message([
    [1, BigInt(type)],
    [2, message(dims)],
  ]);
  return message([
    [1, text(name)],
    [2, message([[1, tensor]])],
  ]);
}

function model(
  nodes: readonly Buffer[],
  initializers: readonly Buffer[],
  inputs: readonly Buffer[],
  output: Buffer,
): Buffer {
  const graph = message([
    ...nodes.map((node): Field => [1, node]),
    [2, text('test')],
    ...initializers.map((tensor): Field => [5, tensor]),
    ...inputs.map((input): Field => [11, input]),
    [12, output],
  ]);
  return message([
    [1, 8n],
    [
      8,
      message([
        [1, text('')],
        [2, 17n],
      ]),
    ],
    [7, graph],
  ]);
}

/** The mean of each channel: a graph whose vector is an image's colour. */
function colourGraph(): Buffer {
  const axes = message([
    [1, text('axes')],
    [8, 2n],
    [8, 3n],
    [20, 7n],
  ]);
  const keep = message([
    [1, text('keepdims')],
    [3, 0n],
    [20, 2n],
  ]);
  const node = message([
    [1, text('pixels')],
    [2, text('colour')],
    [4, text('ReduceMean')],
    [5, axes],
    [5, keep],
  ]);
  return model(
    [node],
    [],
    [value('pixels', FLOAT, ['batch', 3, SIDE, SIDE])],
    value('colour', FLOAT, ['batch', 3]),
  );
}

/** A row a token, `[batch, length, 3]`. */
function wordGraph(rows: Float32Array): Buffer {
  const table = message([
    [1, BigInt(rows.length / 3)],
    [1, 3n],
    [2, BigInt(FLOAT)],
    [8, text('table')],
    [9, Buffer.from(rows.buffer)],
  ]);
  const node = message([
    [1, text('table')],
    [1, text('input_ids')],
    [2, text('tokens')],
    [4, text('Gather')],
  ]);
  return model(
    [node],
    [table],
    [value('input_ids', INT64, ['batch', 'length'])],
    value('tokens', FLOAT, ['batch', 'length', 3]),
  );
}

const RED = Buffer.from(Float32Array.of(1, 0, 0).buffer).toString('base64');

/**
 * Writes a bundle whose vectors are colours, `[3]`: `image` reads images only, `dual` also the words for colours. `changes` go over its
 * fields about images.
 */
export async function writeColourBundle(
  folder: string,
  id: string,
  kind: 'image' | 'dual',
  changes: Record<string, unknown> = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files: Record<string, Buffer> = { 'image.onnx': colourGraph() };
  if (kind === 'dual') {
    const tokenizer = await readFile(packageRoot('deploy/models/v1/tokenizer.json'));
    const { vocab } = (JSON.parse(tokenizer.toString()) as { model: { vocab: Record<string, number> } })
      .model;
    const rows = new Float32Array(Object.keys(vocab).length * 3);
    WORDS.forEach((word, axis) => (rows[(vocab[word] ?? 0) * 3 + axis] = 1));
    Object.assign(files, { 'tokenizer.json': tokenizer, 'text.onnx': wordGraph(rows) });
  }
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  const probe = (await plain([255, 0, 0], SIDE, SIDE).png().toBuffer()).toString('base64');
  const manifest = {
    id,
    name: 'colours',
    description: '',
    dimension: 3,
    similarity: 'cosine',
    licence: 'Apache-2.0',
    source: 'test/image-graphs.ts',
    files: Object.fromEntries(
      Object.entries(files).map(([name, bytes]) => [
        name,
        { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length },
      ]),
    ),
    ...(kind === 'image' ? { kind: 'image' } : TEXT_FIELDS),
    image: {
      model: 'image.onnx',
      input: 'pixels',
      output: 'colour',
      width: SIDE,
      height: SIDE,
      mean: [0, 0, 0],
      std: [1, 1, 1],
      normalize: false,
      maxBatch: 4,
      probe: { image: probe, vector: RED },
      ...changes,
    },
  };
  await writeFile(join(folder, 'model.json'), JSON.stringify(manifest));
}

const TEXT_FIELDS = {
  maxTokens: 16,
  pooling: 'mean',
  normalize: false,
  poolingInGraph: false,
  prompts: { query: '', document: '' },
  inputs: ['input_ids'],
  output: 'tokens',
  tokenizer: 'tokenizer.json',
  model: 'text.onnx',
  probe: { text: 'red', purpose: 'query', vector: RED },
};
