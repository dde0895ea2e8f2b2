import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { packageRoot } from '../src/package-root.js';

/** Texts to encode and the tokenizer.json to encode them with. */
export interface EncodeJob {
  readonly tokenizer: object;
  readonly texts: readonly string[];
}

/** Encodes texts by Python's tokenizers, all in one process. Returns the ids without special tokens by job and text. */
export async function encodeByPython(python: string, jobs: readonly EncodeJob[]): Promise<number[][][]> {
  const child = spawn(python, [packageRoot('test/python/encode.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(jobs.map((job) => `${JSON.stringify(job)}\n`).join(''));
  const lines = (await text(child.stdout)).trim().split('\n');
  if (lines.length !== jobs.length)
    throw new Error(`expected ${jobs.length} answers, but got ${lines.length}`);
  return lines.map((line) => JSON.parse(line) as number[][]);
}
