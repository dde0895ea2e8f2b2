import { basename } from 'node:path';
import { splitLines } from '../catalogue/lines.js';
import { openSourceFile } from '../catalogue/source-file.js';
import { type AverageOptions, openAverager } from '../embedding/word-vectors/average.js';
import { SIF_A, createPrincipalDirection } from '../embedding/word-vectors/sif.js';
import { AddError } from './add-error.js';
import type { Draft } from './add.js';
import { WORD_FILES, type WordTableOptions, writeWordTable } from './word-table.js';

/** What the operator says about a file of word vectors. */
export interface WordVectorChoices extends Partial<
  Pick<WordTableOptions, 'quantize' | 'limit' | 'frequencies' | 'a' | 'onBadRow' | 'onProgress'>
> {
  readonly name?: string;
  readonly maxTokens?: number;
  readonly licence?: string;
  readonly probe?: string;
  /** A file of texts, one a line, whose common component is taken out of every vector. */
  readonly removeComponent?: string;
}

const DEFAULT_MAX_TOKENS = 512;
const DEFAULT_PROBE = 'a waterproof jacket for hiking';
const PROBE_WORDS = 3;
const LONGEST_TEXT = 1 << 20;
/** More texts hardly move the direction. */
const MOST_TEXTS = 20_000;

/** Writes the table of a file of word vectors into `target` and tells what it is. Throws ImportError or AddError when it can't be used. */
export async function prepareWordVectors(
  id: string,
  file: string,
  target: string,
  choices: WordVectorChoices,
): Promise<Draft> {
  const { quantize = false, a = SIF_A, maxTokens = DEFAULT_MAX_TOKENS } = choices;
  const { onBadRow = () => undefined, onProgress = () => undefined } = choices;
  const table = await writeWordTable({ ...choices, file, folder: target, quantize, a, onBadRow, onProgress });
  const { dimension, lowerCase, phrases, words } = table;
  const storage = quantize ? ('int8' as const) : ('float32' as const);
  const reading: AverageOptions = {
    folder: target,
    ...WORD_FILES,
    dimension,
    storage,
    lowerCase,
    phrases,
    maxTokens,
  };
  const averager = await openAverager(reading);
  try {
    const known = averager.read(DEFAULT_PROBE).rows.length > 0;
    const texts = choices.removeComponent;
    const component = texts === undefined ? undefined : await commonComponent(averager, texts, dimension);
    return {
      kind: 'word-vectors',
      id,
      name: choices.name ?? basename(file),
      description: `Averages of ${String(words)} word vectors, weighted by smooth inverse frequency. Added by kindred models add.`,
      dimension,
      maxTokens,
      prompts: { query: '', document: '' },
      ...WORD_FILES,
      storage,
      lowerCase,
      phrases,
      ...(component ? { component: Buffer.from(component.buffer).toString('base64') } : {}),
      files: Object.values(WORD_FILES),
      similarity: 'cosine',
      licence: choices.licence ?? 'unknown',
      source: `word vectors of ${basename(file)}`,
      probeText: choices.probe ?? (known ? DEFAULT_PROBE : table.firstWords.slice(0, PROBE_WORDS).join(' ')),
    };
  } finally {
    averager.close();
  }
}

async function commonComponent(
  averager: Awaited<ReturnType<typeof openAverager>>,
  path: string,
  dimension: number,
): Promise<Float32Array> {
  const source = await openSourceFile(path);
  const principal = createPrincipalDirection(dimension);
  let texts = 0;
  try {
    for await (const line of splitLines(source.chunks(), LONGEST_TEXT)) {
      const average = 'text' in line ? averager.average(averager.read(line.text).rows) : undefined;
      if (!average) continue;
      principal.add(average);
      texts += 1;
      if (texts === MOST_TEXTS) break;
    }
  } finally {
    await source.close();
  }
  const direction = principal.direction();
  if (!direction) throw new AddError(`${path}: expected texts, one a line, with words that the table knows`);
  return direction;
}
