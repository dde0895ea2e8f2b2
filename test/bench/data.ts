import { existsSync } from 'node:fs';
import { splitLines } from '../../src/catalogue/lines.js';
import { openSourceFile } from '../../src/catalogue/source-file.js';
import { packageRoot } from '../../src/package-root.js';

/** Where the evaluation data stands: beside the repository, never in it. `EVALUATION_DATA` names another place. */
export const DATA = process.env.EVALUATION_DATA ?? packageRoot('../shared/data');

/** Whether the folder `name` of the evaluation data is here. */
export function hasData(name: string): boolean {
  return existsSync(`${DATA}/${name}`);
}

/** The rows of a JSONL file, gzipped or not. */
export async function readRows<T>(path: string): Promise<T[]> {
  const file = await openSourceFile(path);
  const rows: T[] = [];
  try {
    for await (const line of splitLines(file.chunks(), Infinity)) {
      if ('fault' in line) throw new Error(`${path}: line ${String(line.line)}: ${line.fault}`);
      if (line.text.trim() !== '') rows.push(JSON.parse(line.text) as T);
    }
    return rows;
  } finally {
    await file.close();
  }
}
