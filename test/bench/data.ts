import { createReadStream, existsSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { splitLines } from '../../src/catalogue/lines.js';
import { packageRoot } from '../../src/package-root.js';

/** Where the evaluation data stands: beside the repository, never in it. `EVALUATION_DATA` names another place. */
export const DATA = process.env.EVALUATION_DATA ?? packageRoot('../shared/data');

/** Whether the folder `name` of the evaluation data is here. */
export function hasData(name: string): boolean {
  return existsSync(`${DATA}/${name}`);
}

/** The rows of a JSONL file, gzipped or not. */
export async function readRows<T>(path: string): Promise<T[]> {
  const file = createReadStream(path);
  const rows: T[] = [];
  const chunks: AsyncIterable<Buffer> = path.endsWith('.gz') ? file.pipe(createGunzip()) : file;
  for await (const line of splitLines(chunks, Infinity)) {
    if (!('text' in line)) throw new Error(`${path}:${line.line}: ${line.fault}`);
    if (line.text.trim() !== '') rows.push(JSON.parse(line.text) as T);
  }
  return rows;
}
