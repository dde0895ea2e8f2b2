import type { z } from 'zod';
import type { ConfigKey } from './config-keys.js';
import { SECRET_KEYS } from './config-schema.js';

/** All faults of a config at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly faults: readonly string[]) {
    super(
      `The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
  }
}

/** The faults that an issue of zod stands for: key, expected, received (secrets masked). */
export function describeIssue(issue: z.core.$ZodIssue, keys: ReadonlyMap<string, ConfigKey>): string[] {
  const key = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => {
      const full = key === '' ? name : `${key}.${name}`;
      return `${full}: expected a known key, received an unknown one${suggest(full, keys.keys())}`;
    });
  }
  const expected = issue.message
    .replace(/^Too (small|big): /, '')
    .replace(/^Invalid (input|option): /, '')
    .replace(/^expected /, '')
    .replace(/, received .*$/, '');
  const received = SECRET_KEYS.has(key) ? '********' : show(issue.input);
  return [`${key || 'kindred.yaml'}: expected ${expected}, received ${received}`];
}

/** A value as a fault shows it. */
export function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Names the known name that is nearest to `name`, when one is near. */
export function suggest(name: string, known: Iterable<string>): string {
  let best = '';
  let least = 4;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best === '' ? '' : `; did you mean ${best}?`;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
