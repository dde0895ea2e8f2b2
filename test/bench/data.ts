import { createReadStream, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
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
  for await (const line of createInterface({
    input: path.endsWith('.gz') ? file.pipe(createGunzip()) : file,
  })) {
    if (line.trim() !== '') rows.push(JSON.parse(line) as T);
  }
  return rows;
}
