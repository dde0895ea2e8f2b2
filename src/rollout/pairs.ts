import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** A query, and an item that has to be among its first hits. */
export interface Pair {
  readonly query: string;
  readonly id: string;
}

/** A file of pairs, with the digest of its bytes. */
export interface Pairs {
  readonly pairs: readonly Pair[];
  /** Hex SHA-256. */
  readonly digest: string;
}

const querySchema = z.looseObject({ query: z.string().min(1) });
const pairSchema = querySchema.extend({ id: z.union([z.string().min(1), z.number().transform(String)]) });

/** Faults that are told at once. */
const SHOWN = 5;

/** Reads JSON lines `{"query", "id"}`, or without `ids` such as have a query alone. Throws an Error of one message that names the lines which are none. */
export async function readPairs(path: string, { ids = true } = {}): Promise<Pairs> {
  const schema = ids ? pairSchema : querySchema.transform(({ query }) => ({ query, id: '' }));
  const bytes = await readFile(path);
  const pairs: Pair[] = [];
  const faults: string[] = [];
  bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .forEach((line, at) => {
      if (line.trim() === '') return;
      const parsed = schema.safeParse(parse(line));
      if (parsed.success) pairs.push({ query: parsed.data.query, id: parsed.data.id });
      else faults.push(`line ${String(at + 1)}`);
    });
  if (faults.length > 0) {
    const more = faults.length > SHOWN ? ` and ${String(faults.length - SHOWN)} more` : '';
    throw new Error(
      `${path}: expected {"query": "..."${ids ? ', "id": "..."' : ''}} in each line, but not so in ${faults.slice(0, SHOWN).join(', ')}${more}`,
    );
  }
  if (pairs.length === 0) throw new Error(`${path}: expected at least one pair`);
  return { pairs, digest: createHash('sha256').update(bytes).digest('hex') };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
