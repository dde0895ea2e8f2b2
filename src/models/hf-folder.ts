import { existsSync } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { AddError } from './add-error.js';
import { type PoolingModule, readPooling } from './hf-pooling.js';
import { readJson } from './read-json.js';

/** A folder as Hugging Face's optimum, or sentence-transformers, exports a model. What it doesn't tell is undefined. */
export interface HfFolder {
  readonly model: string;
  readonly tokenizer: string;
  readonly name: string;
  readonly licence: string | undefined;
  readonly maxTokens: number | undefined;
  readonly padTokenId: number;
  readonly matryoshka: readonly number[];
  readonly prompts: { readonly query: string | undefined; readonly document: string | undefined };
  readonly pooling: PoolingModule;
}

const config = z.object({
  _name_or_path: z.string().optional(),
  model_type: z.string().optional(),
  max_position_embeddings: z.int().optional(),
  pad_token_id: z.int().min(0).nullish(),
  matryoshka_dimensions: z.array(z.int().min(1)).optional(),
});
const tokenizerConfig = z.object({ model_max_length: z.number().nullish() });
const sentenceConfig = z.object({ max_seq_length: z.int().min(1).nullish() });
const promptConfig = z.object({ prompts: z.record(z.string(), z.string().nullable()).optional() });

/** Larger ones say that there is no limit. */
const MOST_TOKENS = 32_768;
/** Names under which sentence-transformers models keep their prompts. */
const PROMPT_NAMES = {
  query: ['query', 'search_query', 'retrieval.query', 's2p_query'],
  document: ['document', 'passage', 'search_document', 'retrieval.passage', 'corpus'],
} as const;
/** Models whose positions begin after the padding token's, so that fewer are left than the table has. */
const OFFSET_POSITIONS = /roberta|camembert|mpnet|longformer|xlm-r/;

/** Reads what a folder tells of its model. `file` names the ONNX file where there are several. Throws AddError for a folder that is none. */
export async function readHfFolder(folder: string, file?: string): Promise<HfFolder> {
  if (!(await isFolder(folder))) throw new AddError(`${folder}: expected a folder`);
  const model = join(folder, file ?? (await findModel(folder)));
  if (!existsSync(model)) throw new AddError(`${model}: the file is missing`);
  const tokenizer = [join(folder, 'tokenizer.json'), join(model, '../tokenizer.json')].find((path) =>
    existsSync(path),
  );
  if (tokenizer === undefined)
    throw new AddError(
      `${folder}: expected a tokenizer.json; write one in Python with AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)`,
    );
  const read = <Schema extends z.ZodType>(
    name: string,
    schema: Schema,
  ): Promise<z.infer<Schema> | undefined> => readJson(join(folder, name), schema);
  const [main, limits, sentence, prompts] = await Promise.all([
    read('config.json', config),
    read('tokenizer_config.json', tokenizerConfig),
    read('sentence_bert_config.json', sentenceConfig),
    read('config_sentence_transformers.json', promptConfig),
  ]);
  const promptOf = (names: readonly string[]): string | undefined =>
    names.map((name) => prompts?.prompts?.[name]).find((prompt) => typeof prompt === 'string');
  const positions = main?.max_position_embeddings;
  const maxTokens = Math.min(
    sentence?.max_seq_length ?? Infinity,
    limits?.model_max_length ?? Infinity,
    positions === undefined ? Infinity : positionsLeft(positions, main),
  );
  const card = await readCard(folder);
  return {
    model,
    tokenizer,
    // The base model of a fine-tuned one is often what its config.json still names.
    name: card.title ?? nameOf(main?._name_or_path) ?? basename(resolve(folder)),
    licence: card.licence,
    maxTokens: maxTokens <= MOST_TOKENS ? maxTokens : undefined,
    padTokenId: main?.pad_token_id ?? 0,
    matryoshka: main?.matryoshka_dimensions ?? [],
    prompts: { query: promptOf(PROMPT_NAMES.query), document: promptOf(PROMPT_NAMES.document) },
    pooling: await readPooling(folder),
  };
}

function positionsLeft(positions: number, main: z.infer<typeof config> | undefined): number {
  return OFFSET_POSITIONS.test(main?.model_type ?? '')
    ? positions - (main?.pad_token_id ?? 1) - 1
    : positions;
}

/** A hub's name (owner/model); a path of the machine that exported it is none. */
function nameOf(text: string | undefined): string | undefined {
  return text !== undefined && /^[\w.-]+\/[\w.-]+$/.test(text) && !text.startsWith('.') ? text : undefined;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function findModel(folder: string): Promise<string> {
  const usual = ['model.onnx', 'onnx/model.onnx'].find((name) => existsSync(join(folder, name)));
  if (usual !== undefined) return usual;
  const found: string[] = [];
  for (const place of ['.', 'onnx']) {
    const names = await readdir(join(folder, place)).catch(() => []);
    found.push(...names.filter((name) => name.endsWith('.onnx')).map((name) => join(place, name)));
  }
  const [only] = found;
  if (only === undefined)
    throw new AddError(
      `${folder}: expected model.onnx or onnx/model.onnx; export one with: optimum-cli export onnx --model NAME FOLDER`,
    );
  if (found.length > 1)
    throw new AddError(
      `${folder}: expected one ONNX file, received ${found.join(', ')}; choose with --model FILE`,
    );
  return only;
}

/** What README.md tells: the licence in its front matter, and the model's name where that is its title. */
async function readCard(folder: string): Promise<{ licence?: string; title?: string }> {
  const text = await readFile(join(folder, 'README.md'), 'utf8').catch(() => '');
  const [, matter = ''] = /^---\r?\n([\s\S]*?)\r?\n---\r?\n/.exec(text) ?? [];
  const [, title] = /^# ([\w./-]+)\s*$/m.exec(text) ?? [];
  try {
    const parsed = z.object({ license: z.string().min(1) }).safeParse(parseYaml(matter));
    return { title, licence: parsed.data?.license };
  } catch {
    return { title };
  }
}
