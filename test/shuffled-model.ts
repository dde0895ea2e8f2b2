import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/package-root.js';
import { runCli } from './server-process.js';

/**
 * Adds a version to `modelsFolder` whose files are sound and whose vectors mean nothing: the model of v1 with the rows of its table dealt to other
 * words.
 */
export async function addShuffledModel(modelsFolder: string, id: string): Promise<void> {
  const source = join(modelsFolder, `.${id}-export`);
  mkdirSync(source, { recursive: true });
  cpSync(packageRoot('deploy/models/v1/model.onnx'), join(source, 'model.onnx'));
  const tokenizer = JSON.parse(readFileSync(packageRoot('deploy/models/v1/tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  const words = Object.keys(tokenizer.model.vocab);
  const rows = Object.values(tokenizer.model.vocab);
  // Whole words and pieces; what stands in brackets has its place.
  const dealt = words.flatMap((word, at) => (word.startsWith('[') ? [] : [at]));
  dealt.forEach((at, turn) => {
    const other = dealt[(turn * 7_919 + 4_001) % dealt.length] ?? at;
    tokenizer.model.vocab[words[at] ?? ''] = rows[other] ?? 0;
  });
  writeFileSync(join(source, 'tokenizer.json'), JSON.stringify(tokenizer));
  const { code } = await runCli([
    'models',
    'add',
    source,
    '--id',
    id,
    '--set',
    `models.folder=${modelsFolder}`,
  ]);
  rmSync(source, { recursive: true });
  if (code !== 0) throw new Error(`the model ${id} could not be added`);
}
