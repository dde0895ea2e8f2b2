import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import { createTokenizer } from '../../src/embedding/onnx/tokenizer.js';
import { packageRoot } from '../../src/package-root.js';
import { DATA, readRows } from './data.js';
import { median } from './median.js';
import { report } from './report.js';
import { openTexts } from './texts.js';

/** Texts of each kind. */
const TEXTS = 20_000;
const ROUNDS = 5;
/** How long each side of a round reads, in ms of CPU time. */
const ROUND_MS = 250;

/** The library's own declarations don't resolve under NodeNext. */
const HubTokenizer = Tokenizer as unknown as new (
  json: object,
  config: object,
) => { encode(text: string): { ids: number[] } };

/** Texts a CPU-second that are tokenized, beside the library that reads the same tokenizer.json; sides take turns, medians count. */
export async function benchTokenize(): Promise<void> {
  const json = JSON.parse(readFileSync(packageRoot('deploy/models/v2/tokenizer.json'), 'utf8')) as object;
  const encode = createTokenizer(json, 256);
  const library = new HubTokenizer(json, {});
  const short = (await openTexts()).short;
  const titles = (await readRows<{ title: string }>(`${DATA}/chorus/products.jsonl.gz`)).map(
    ({ title }) => title,
  );

  const kinds: Record<string, readonly string[]> = {
    'texts of 4-12 words': Array.from({ length: TEXTS }, short),
    'product titles as they are': titles,
    'texts of 4-12 words of random letters': Array.from({ length: TEXTS }, (_, seed) => unseen(seed)),
  };
  for (const [name, texts] of Object.entries(kinds)) {
    const [own, theirs]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      own.push(rate(texts, encode));
      theirs.push(rate(texts, (text) => library.encode(text)));
    }
    const ids = texts.map((text) => encode(text).ids.length);
    report({
      bench: 'tokenize',
      name,
      value: median(own),
      unit: 'texts/CPU-s',
      baseline: median(theirs),
      against: '@huggingface/tokenizers',
      target: '>= 100000',
      tokensPerText: ids.reduce((sum, length) => sum + length, 0) / ids.length,
    });
  }
}

/** Texts a second of CPU time, garbage collection included, that one thread reads of `texts` in turn. */
function rate(texts: readonly string[], read: (text: string) => unknown): number {
  const start = cpuMs();
  let count = 0;
  let spent = 0;
  while (spent < ROUND_MS) {
    for (let more = 0; more < 500; more++) read(texts[count++ % texts.length] ?? '');
    spent = cpuMs() - start;
  }
  return (count / spent) * 1_000;
}

/** CPU time of the process, in ms. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** 4 to 12 words that no text has had and no vocabulary knows: the slowest that can be asked. */
function unseen(seed: number): string {
  let state = seed * 2 + 1;
  const random = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  const letter = (): string => String.fromCharCode(97 + random(26));
  return Array.from({ length: 4 + random(9) }, () =>
    Array.from({ length: 3 + random(7) }, letter).join(''),
  ).join(' ');
}
