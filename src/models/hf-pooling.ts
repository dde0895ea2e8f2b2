import { join } from 'node:path';
import { z } from 'zod';
import { AddError } from './add-error.js';
import type { Pooling } from '../embedding/onnx/pooling.js';
import { readJson } from './read-json.js';

/** What sentence-transformers does after the transformer. */
export interface PoolingModule {
  /** Undefined where the folder does not tell. */
  readonly pooling: Pooling | undefined;
  /** Modules that Kindred does not compute, such as Dense; a graph that ends in a sentence's vector has them inside. */
  readonly others: readonly string[];
}

const modules = z.array(z.object({ path: z.string(), type: z.string() }));
const poolingConfig = z.looseObject({
  pooling_mode: z.string().optional(),
  include_prompt: z.boolean().optional(),
});

/** Modes of sentence-transformers that Kindred has. */
const MODES: Readonly<Record<string, Pooling>> = {
  mean: 'mean',
  mean_tokens: 'mean',
  cls: 'cls',
  cls_token: 'cls',
  lasttoken: 'last',
};
const MODE_KEY = 'pooling_mode_';
const KNOWN = /\.(Transformer|Pooling|Normalize)$/;

/** Reads modules.json and the pooling's config.json. Throws AddError for a pooling that Kindred does not have. */
export async function readPooling(folder: string): Promise<PoolingModule> {
  const list = (await readJson(join(folder, 'modules.json'), modules)) ?? [];
  const others = list.map(({ type }) => type).filter((type) => !KNOWN.test(type));
  const place = list.find(({ type }) => type.endsWith('.Pooling'))?.path ?? '1_Pooling';
  const path = join(folder, place, 'config.json');
  const config = await readJson(path, poolingConfig);
  if (!config) return { pooling: undefined, others };
  const chosen =
    config.pooling_mode === undefined
      ? Object.keys(config)
          .filter((key) => key.startsWith(MODE_KEY) && config[key] === true)
          .map((key) => key.slice(MODE_KEY.length))
      : [config.pooling_mode];
  const [mode = ''] = chosen;
  const pooling = MODES[mode];
  if (chosen.length !== 1 || pooling === undefined)
    throw new AddError(
      `${path}: expected one pooling of mean, cls and last token, received ${chosen.join(' and ') || 'none'}`,
    );
  if (config.include_prompt === false)
    throw new AddError(`${path}: include_prompt is false, but Kindred pools a prompt with its text`);
  return { pooling, others };
}
