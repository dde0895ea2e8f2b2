import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { TextChoices } from '../models/add-text.js';
import type { WordVectorChoices } from '../models/add-word-vectors.js';
import type { AddOptions } from '../models/add.js';
import type { BadVectorRow } from '../models/vector-file.js';
import { printAdded } from './added.js';
import {
  type CommonOptions,
  EXIT,
  action,
  commandConfig,
  wholeNumber,
  withCommonOptions,
} from './options.js';
import { progressPrinter } from './progress.js';

interface AddFlags extends CommonOptions, TextChoices {
  readonly id?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
  readonly wordVectors?: boolean;
  readonly quantize?: boolean;
  readonly limit?: number;
  readonly frequencies?: string;
  readonly sif?: number;
  readonly removeComponent?: string;
}

const LARGEST_DIMENSION = 32_768;
const LARGEST_TOKENS = 32_768;
const MOST_WORDS = 100_000_000;
/** Rows that are shown of those that can't be used. */
const SHOWN_ROWS = 10;

/** `kindred models add`: turns an ONNX export or a file of word vectors into a model version. */
export function modelsAddCommand(): Command {
  return withCommonOptions(new Command('add'))
    .description(
      'Add a model version: a folder with an ONNX export and its tokenizer.json, or a file of word vectors (Word2Vec, GloVe).',
    )
    .argument('<source>', 'the folder, or the file of word vectors (text or binary, plain or .gz)')
    .option('--id <id>', 'id of the version (default: the next free v1, v2, ...)')
    .option('--name <name>', 'name that clients see')
    .option('--licence <name>', 'licence (default: that of README.md)')
    .option('--max-tokens <n>', 'tokens, or words, of a text that are read', wholeNumber(LARGEST_TOKENS))
    .option('--probe <text>', 'text whose vector proves the model at every start')
    .option('--dry-run', 'try everything, keep nothing')
    .option('--force', 'replace the version that has this id')
    .option('--json', 'print the model.json')
    .optionsGroup('Options of an ONNX export:')
    .option('--model <file>', 'the ONNX file in the folder (default: model.onnx or onnx/model.onnx)')
    .option('--output <name>', 'the output to read')
    .addOption(
      new Option('--pooling <kind>', 'how token vectors become one').choices(['mean', 'cls', 'last']),
    )
    .option('--query-prefix <text>', 'what goes before a query')
    .option('--document-prefix <text>', 'what goes before a document')
    .option('--dimension <n>', 'cut vectors to so many numbers (Matryoshka)', wholeNumber(LARGEST_DIMENSION))
    .option('--matryoshka <list>', 'smaller dimensions that clients may ask for, e.g. 64,128', dimensions)
    .optionsGroup('Options of word vectors:')
    .option('--word-vectors', 'the source is a file of word vectors')
    .option('--quantize', 'store int8 instead of float32: a quarter of the size')
    .option('--limit <n>', 'keep the first so many words', wholeNumber(MOST_WORDS))
    .option(
      '--frequencies <file>',
      "lines of a word and its count (default: Zipf's law of the order of the words)",
    )
    .option('--sif <a>', 'weigh words a / (a + frequency); 0: all the same (default: 0.001)', nonNegative)
    .option('--remove-component <file>', 'take out what texts have in common; the file has texts, one a line')
    .addHelpText(
      'after',
      `
The model is loaded and run before it gets its id: what can't serve is refused. It serves once models.versions names it.

Examples:
  $ kindred models add ./bge-small-en-v1.5 --id bge --query-prefix "Represent this sentence for searching relevant passages: "
  $ kindred models add ./export --pooling cls --dimension 256 --dry-run
  $ kindred models add glove.6B.50d.txt --word-vectors --id glove
  $ kindred models add GoogleNews-vectors-negative300.bin.gz --word-vectors --quantize --limit 1000000

Exit codes: 0 added, or could be; 1 refused; 2 wrong usage.`,
    )
    .action(
      action(async (source: string, flags: AddFlags) => {
        const { folder } = commandConfig(flags).models;
        const id = flags.id ?? nextId(folder);
        const bad = badRows();
        const { addModel } = await import('../models/add.js');
        const added = await addModel({
          models: folder,
          id,
          force: flags.force === true,
          dryRun: flags.dryRun === true,
          prepare: await preparation(source, id, flags, bad.note),
        });
        for (const line of [...bad.lines(), ...added.warnings]) console.error(`warning: ${line}`);
        if (flags.json === true) console.log(JSON.stringify(added.bundle.manifest, null, 2));
        else printAdded(added, flags.dryRun === true);
        return EXIT.ok;
      }),
    );
}

async function preparation(
  source: string,
  id: string,
  flags: AddFlags,
  onBadRow: (row: BadVectorRow) => void,
): Promise<AddOptions['prepare']> {
  if (!existsSync(source)) throw new Error(`${source}: there is no such file or folder`);
  const isFile = statSync(source).isFile();
  if (isFile && source.endsWith('.onnx'))
    throw new Error(`${source}: expected the folder of the model, with its tokenizer.json`);
  if (isFile && flags.wordVectors !== true)
    throw new Error(`${source}: expected a folder, or --word-vectors for a file of word vectors`);
  if (flags.wordVectors === true) {
    const { prepareWordVectors } = await import('../models/add-word-vectors.js');
    const show = progressPrinter(process.stderr);
    const choices: WordVectorChoices = {
      ...flags,
      a: flags.sif,
      onBadRow,
      onProgress: ({ rows, rejected, bytes, totalBytes }) => {
        const phase = bytes === totalBytes ? 'done' : 'import';
        show({ phase, bytes, totalBytes, read: rows, rejected, resumed: 0 });
      },
    };
    return (folder) => prepareWordVectors(id, source, folder, choices);
  }
  const { prepareText } = await import('../models/add-text.js');
  const choices: TextChoices = flags;
  return (folder) => prepareText(id, source, folder, choices);
}

/** Keeps the first bad rows to show, and counts the rest. */
function badRows(): { note: (row: BadVectorRow) => void; lines: () => string[] } {
  const shown: string[] = [];
  let count = 0;
  return {
    note: ({ line, fault }) => {
      count += 1;
      if (shown.length < SHOWN_ROWS) shown.push(`line ${line}: ${fault}`);
    },
    lines: () => (count > SHOWN_ROWS ? [...shown, `${count} rows are left out in all`] : shown),
  };
}

/** The first of v1, v2, ... that no folder has. */
function nextId(models: string): string {
  let number = 1;
  while (existsSync(join(models, `v${number}`))) number += 1;
  return `v${number}`;
}

function dimensions(text: string): number[] {
  return text.split(',').map(wholeNumber(LARGEST_DIMENSION));
}

function nonNegative(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0) || !Number.isFinite(value))
    throw new InvalidArgumentError(`expected a number of at least 0, received ${text}`);
  return value;
}
