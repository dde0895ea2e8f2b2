import { copyFile, constants as fsConstants, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import type { Pooling } from '../embedding/onnx/pooling.js';
import { createTokenizer } from '../embedding/onnx/tokenizer.js';
import { AddError } from './add-error.js';
import type { Draft } from './add.js';
import { type HfFolder, readHfFolder } from './hf-folder.js';
import { externalFiles } from './onnx-external.js';
import { type GraphOutput, inspectGraph } from './onnx-inspect.js';

/** What the operator says about a model; it wins over what its folder says. */
export interface TextChoices {
  readonly name?: string;
  readonly model?: string;
  readonly output?: string;
  readonly pooling?: Pooling;
  readonly queryPrefix?: string;
  readonly documentPrefix?: string;
  readonly dimension?: number;
  readonly matryoshka?: readonly number[];
  readonly maxTokens?: number;
  readonly licence?: string;
  readonly probe?: string;
}

/** Tokens of a text where neither the folder nor the operator tells. */
const DEFAULT_MAX_TOKENS = 512;
const DEFAULT_PROBE = 'a waterproof jacket for hiking';
const TOKENIZER = 'tokenizer.json';
/** What exports call a text's vector, and those of its tokens, best first. */
const SENTENCE_OUTPUTS = ['sentence_embedding', 'sentence_embeddings', 'embeddings', 'text_embeds'];
const TOKEN_OUTPUTS = ['token_embeddings', 'last_hidden_state'];

/** Copies a model of the layout of Hugging Face's exports into `target` and tells what it is. Throws AddError when it is none. */
export async function prepareText(
  id: string,
  source: string,
  target: string,
  choices: TextChoices,
): Promise<Draft> {
  const found = await readHfFolder(source, choices.model);
  const files = [...(await copyModel(found.model, target)), await copyTokenizer(found.tokenizer, target)];
  const model = basename(found.model);
  const maxTokens = choices.maxTokens ?? found.maxTokens ?? DEFAULT_MAX_TOKENS;
  const probeText = choices.probe ?? DEFAULT_PROBE;
  const prompts = {
    query: choices.queryPrefix ?? found.prompts.query ?? '',
    document: choices.documentPrefix ?? found.prompts.document ?? '',
  };
  const ids = await tokenize(join(target, TOKENIZER), prompts.query + probeText, maxTokens);
  const { padTokenId } = found;
  const { inputs, outputs } = await inspectGraph(join(target, model), { ids, padTokenId });
  const output = chooseOutput(outputs, choices.output);
  const poolingInGraph = output.dims.length === 2;
  const width = output.dims.at(-1) ?? 0;
  const dimension = choices.dimension ?? width;
  if (dimension > width)
    throw new AddError(
      `expected a dimension of at most ${String(width)}, which the graph gives, received ${String(dimension)}`,
    );
  const matryoshka = (choices.matryoshka ?? found.matryoshka)
    .filter((each) => each < dimension)
    .sort((a, b) => a - b);
  return {
    id,
    name: choices.name ?? found.name,
    description: `Added by kindred models add from ${found.name}.`,
    dimension,
    ...(dimension < width ? { outputDimension: width } : {}),
    ...(matryoshka.length > 0 ? { matryoshka } : {}),
    maxTokens,
    pooling: poolingOf(found, choices, poolingInGraph),
    normalize: poolingInGraph && output.normalised,
    poolingInGraph,
    prompts,
    inputs: [...inputs],
    ...(padTokenId === 0 ? {} : { padTokenId }),
    output: output.name,
    tokenizer: TOKENIZER,
    model,
    files,
    similarity: 'cosine',
    licence: choices.licence ?? found.licence ?? 'unknown',
    source: `Hugging Face folder ${found.name}`,
    probeText,
  };
}

function poolingOf({ pooling, name }: HfFolder, choices: TextChoices, inGraph: boolean): Pooling {
  if (!inGraph && pooling.others.length > 0)
    throw new AddError(
      `${name}: its graph ends before ${pooling.others.join(', ')}; export it so that its output is a text's vector: optimum-cli export onnx --library sentence_transformers`,
    );
  const chosen = choices.pooling ?? pooling.pooling;
  if (chosen) return chosen;
  if (inGraph) return 'mean';
  throw new AddError(
    `${name}: expected 1_Pooling/config.json, or --pooling mean, cls or last: its graph gives a vector a token`,
  );
}

/** The output to use: a text's vector before those of its tokens. */
function chooseOutput(outputs: readonly GraphOutput[], name: string | undefined): GraphOutput {
  const usable = outputs.filter(({ dims }) => dims.length === 2 || dims.length === 3);
  const byName = (names: readonly string[], rank: number): GraphOutput | undefined =>
    names
      .map((each) => usable.find((output) => output.name === each && output.dims.length === rank))
      .find(Boolean);
  const chosen =
    name === undefined
      ? (byName(SENTENCE_OUTPUTS, 2) ??
        byName(TOKEN_OUTPUTS, 3) ??
        (usable.length === 1 ? usable[0] : undefined))
      : usable.find((output) => output.name === name);
  if (chosen) return chosen;
  const list = outputs.map((output) => `${output.name} (${output.dims.join(' x ')})`).join(', ');
  throw new AddError(
    `expected ${name === undefined ? 'an output' : `the output ${name}`} of a vector a text or a vector a token, received ${list}; choose one with --output NAME`,
  );
}

async function tokenize(path: string, text: string, maxTokens: number): Promise<readonly number[]> {
  try {
    const { ids } = createTokenizer(JSON.parse(await readFile(path, 'utf8')) as object, maxTokens)(text);
    if (ids.length > 0) return ids;
  } catch (error) {
    throw new AddError(
      `${TOKENIZER}: it can't be used: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  throw new AddError(
    `${TOKENIZER}: it finds no token in ${JSON.stringify(text)}; give another text with --probe`,
  );
}

/** Copies the graph and the files of its weights; returns their names in `target`. */
async function copyModel(model: string, target: string): Promise<string[]> {
  const names = [basename(model)];
  for (const location of externalFiles(await readFile(model))) {
    const name = normalize(location);
    if (isAbsolute(name) || name.startsWith('..'))
      throw new AddError(`${model}: expected its weights in its folder, received ${location}`);
    names.push(name);
  }
  for (const name of names) {
    await mkdir(dirname(join(target, name)), { recursive: true });
    await copyFile(join(dirname(model), name), join(target, name), fsConstants.COPYFILE_FICLONE);
  }
  return names;
}

/** Copies the tokenizer without truncation and padding, which are the gateway's: what exports leave there would cut or fill texts. */
async function copyTokenizer(path: string, target: string): Promise<string> {
  const json = JSON.parse(await readFile(path, 'utf8')) as { truncation?: unknown; padding?: unknown };
  if ((json.truncation ?? json.padding ?? null) === null) await copyFile(path, join(target, TOKENIZER));
  else await writeFile(join(target, TOKENIZER), JSON.stringify({ ...json, truncation: null, padding: null }));
  return TOKENIZER;
}
