import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../src/package-root.js';
import { TYPES, encodeOnnx, floatBytes } from './onnx-graph.js';

/** Tokens of its longest text: a run of it needs as many floats as the cube of that, 256 MB. */
const MAX_TOKENS = 400;

/** Writes the bundle `hungry` to `folder`: a run of one text of n tokens needs n x n x n float32, and every vector is [1]. */
export async function writeHungryModel(folder: string): Promise<void> {
  await mkdir(folder);
  const model = encodeOnnx({
    inputs: [{ name: 'input_ids', type: TYPES.int64, shape: ['batch', 'length'] }],
    outputs: [{ name: 'vector', type: TYPES.float, shape: [1, 1] }],
    weights: [],
    operators: [
      { type: 'Cast', inputs: ['input_ids'], output: 'row', attributes: { to: TYPES.float } },
      { type: 'Transpose', inputs: ['row'], output: 'column', attributes: { perm: [1, 0] } },
      { type: 'MatMul', inputs: ['column', 'row'], output: 'square' },
      { type: 'Flatten', inputs: ['square'], output: 'long_row', attributes: { axis: 0 } },
      { type: 'Transpose', inputs: ['long_row'], output: 'long_column', attributes: { perm: [1, 0] } },
      { type: 'MatMul', inputs: ['long_column', 'row'], output: 'cube' },
      { type: 'ReduceMean', inputs: ['cube'], output: 'vector', attributes: { axes: [0, 1] } },
    ],
  });
  const tokenizer = packageRoot('deploy/models/v1/tokenizer.json');
  await writeFile(join(folder, 'model.onnx'), model);
  await copyFile(tokenizer, join(folder, 'tokenizer.json'));
  const manifest = {
    id: 'hungry',
    name: 'Hungry',
    description: '',
    dimension: 1,
    maxTokens: MAX_TOKENS,
    pooling: 'mean',
    normalize: false,
    poolingInGraph: true,
    inputs: ['input_ids'],
    output: 'vector',
    prompts: { query: '', document: '' },
    tokenizer: 'tokenizer.json',
    model: 'model.onnx',
    files: { 'model.onnx': factsOf(model), 'tokenizer.json': factsOf(await readFile(tokenizer)) },
    similarity: 'cosine',
    licence: 'Apache-2.0',
    source: '',
    probe: { text: 'a shoe', purpose: 'query', vector: floatBytes([1]).toString('base64') },
  };
  await writeFile(join(folder, 'model.json'), JSON.stringify(manifest));
}

function factsOf(bytes: Buffer): { sha256: string; bytes: number } {
  return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
}
