import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type GraphDefinition,
  type Operator,
  TYPES,
  type Value,
  type Weights,
  encodeOnnx,
  floatBytes,
} from './onnx-graph.js';

/** Words that the exported models know; the row of each in the table is its place here. */
export const WORDS = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  'red',
  'green',
  'blue',
  'shoe',
  'hat',
  'for',
  'a',
  'jacket',
];
export const HIDDEN = 8;
/** Rows of the table of positions: longer texts fail, as they do in a BERT. */
const POSITIONS = 64;

/** Numbers from -1 to 1 that look random and are the same everywhere. */
function noise(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, at) => Math.sin((at + 1) * 12.9898 + seed * 78.233) % 1);
}

export const TABLE = noise(WORDS.length * HIDDEN, 1);
const POSITION_TABLE = noise(POSITIONS * HIDDEN, 2).map((value) => value / 10);

export interface ExportOptions {
  /** `tokens`: a vector a token; `sentence`: their mean, normalised; `careless`: a mean that counts padding. Default `tokens`. */
  readonly ends?: 'tokens' | 'sentence' | 'careless';
  readonly inputs?: readonly string[];
  /** Element type of the inputs. */
  readonly type?: number;
  readonly table?: readonly number[];
  /** The file beside the graph that holds the table. */
  readonly external?: string;
}

const BATCH = ['batch', 'length'] as const;

/** A tiny encoder: a row a word, and with `position_ids` one a position added to it. */
export function encoderGraph(options: ExportOptions = {}): GraphDefinition {
  const {
    ends = 'tokens',
    inputs = ['input_ids', 'attention_mask', 'token_type_ids'],
    type = TYPES.int64,
  } = options;
  const weights: Weights[] = [
    { name: 'table', dims: [WORDS.length, HIDDEN], values: options.table ?? TABLE, file: options.external },
  ];
  const operators: Operator[] = [{ type: 'Gather', inputs: ['table', 'input_ids'], output: 'words' }];
  if (inputs.includes('position_ids')) {
    weights.push({ name: 'positions', dims: [POSITIONS, HIDDEN], values: POSITION_TABLE });
    operators.push({ type: 'Gather', inputs: ['positions', 'position_ids'], output: 'places' });
    operators.push({ type: 'Add', inputs: ['words', 'places'], output: 'last_hidden_state' });
  } else operators.push({ type: 'Identity', inputs: ['words'], output: 'last_hidden_state' });
  const outputs: Value[] = [{ name: 'last_hidden_state', type: TYPES.float, shape: [...BATCH, HIDDEN] }];
  if (ends !== 'tokens') {
    outputs.push({ name: 'sentence_embedding', type: TYPES.float, shape: ['batch', HIDDEN] });
    operators.push(...(ends === 'careless' ? CARELESS_MEAN : MASKED_MEAN));
  }
  return { inputs: inputs.map((name) => ({ name, type, shape: BATCH })), outputs, weights, operators };
}

const CARELESS_MEAN: Operator[] = [
  {
    type: 'ReduceMean',
    inputs: ['last_hidden_state'],
    output: 'sentence_embedding',
    attributes: { axes: [1], keepdims: 0 },
  },
];
const MASKED_MEAN: Operator[] = [
  { type: 'Cast', inputs: ['attention_mask'], output: 'mask', attributes: { to: TYPES.float } },
  // Its axis is a tensor: a constant needs no whole-number initializer.
  { type: 'Constant', inputs: [], output: 'last', attributes: { value_ints: [2] } },
  { type: 'Unsqueeze', inputs: ['mask', 'last'], output: 'column' },
  { type: 'Mul', inputs: ['last_hidden_state', 'column'], output: 'masked' },
  { type: 'ReduceMean', inputs: ['masked'], output: 'mean', attributes: { axes: [1], keepdims: 0 } },
  { type: 'LpNormalization', inputs: ['mean'], output: 'sentence_embedding', attributes: { axis: 1, p: 2 } },
];
/** A tokenizer of whole words between [CLS] and [SEP], with the truncation and padding that exports leave in it. */
function tokenizerJson(): object {
  const special = WORDS.slice(0, 4).map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const part = (id: string): object => ({ SpecialToken: { id, type_id: 0 } });
  return {
    version: '1.0',
    truncation: { direction: 'Right', max_length: 4, strategy: 'LongestFirst', stride: 0 },
    padding: { strategy: { Fixed: 16 }, direction: 'Right', pad_id: 0, pad_type_id: 0, pad_token: '[PAD]' },
    added_tokens: special,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [part('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, part('[SEP]')],
      pair: [],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
    },
  };
}

/** Writes a folder as optimum and sentence-transformers export a model; `files` go over its usual ones, null removes one. */
export async function writeExport(
  folder: string,
  options: ExportOptions = {},
  files: Readonly<Record<string, object | string | null>> = {},
): Promise<void> {
  const all: Record<string, object | string | Buffer | null> = {
    'onnx/model.onnx': encodeOnnx(encoderGraph(options)),
    'tokenizer.json': tokenizerJson(),
    'config.json': {
      _name_or_path: 'tests/tiny',
      model_type: 'bert',
      max_position_embeddings: POSITIONS,
      pad_token_id: 0,
    },
    'modules.json': [
      { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
      { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
      { idx: 2, name: '2', path: '2_Normalize', type: 'sentence_transformers.models.Normalize' },
    ],
    '1_Pooling/config.json': {
      word_embedding_dimension: HIDDEN,
      pooling_mode_cls_token: false,
      pooling_mode_mean_tokens: true,
    },
    'sentence_bert_config.json': { max_seq_length: 32, do_lower_case: false },
    'README.md': '---\nlicense: apache-2.0\n---\n# A tiny model\n',
    ...(options.external === undefined
      ? {}
      : { [`onnx/${options.external}`]: floatBytes(options.table ?? TABLE) }),
    ...files,
  };
  for (const [name, content] of Object.entries(all)) {
    if (content === null) continue;
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(
      path,
      Buffer.isBuffer(content) || typeof content === 'string' ? content : JSON.stringify(content),
    );
  }
}
