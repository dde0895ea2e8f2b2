import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The key that signs cursors: the configured one, or one made on first use and kept in the data folder. */
export function cursorKey(configured: string | null, dataFolder: string): string {
  if (configured !== null) return configured;
  mkdirSync(dataFolder, { recursive: true });
  const path = join(dataFolder, 'cursor.key');
  try {
    // `wx` fails when another process made it first: then that one counts.
    writeFileSync(path, randomBytes(32).toString('base64url'), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return readFileSync(path, 'utf8');
}
