import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImportSummary } from '../src/catalogue/import.js';
import { packageRoot } from '../src/package-root.js';

const ROWS = 400;
/** Kill points in all, spread over several imports. */
const IMPORTS = 2;
const KILLS = 10;

interface Outcome {
  readonly summary: ImportSummary;
  readonly holds: Record<string, { readonly count: number; readonly hashes: (string | null)[] }>;
}

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kindred-resume-'));
  file = join(folder, 'products.jsonl');
  // Every 40th row is bad, and every 50th has the key of the one before.
  const lines = Array.from({ length: ROWS }, (_, index) =>
    index % 40 === 7
      ? '{"id":'
      : JSON.stringify({
          id: `p${String(index % 50 === 9 ? index - 1 : index)}`,
          title: `Lamp ${String(index)}`,
          price: index,
        }),
  );
  writeFileSync(file, `${lines.join('\n')}\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(data: string, stepMs = 2): ChildProcess {
  return spawn(
    process.execPath,
    [packageRoot('test/fixtures/import-process.mjs'), file, data, String(stepMs)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
}

/** Lets an import run until it has taken `steps` steps, then sends `signal`; answers what it printed at its end, if it came there. */
async function runUntil(data: string, steps: number, signal: NodeJS.Signals): Promise<Outcome | null> {
  const child = start(data);
  let outcome: Outcome | null = null;
  let taken = 0;
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith('{')) outcome = JSON.parse(line) as Outcome;
    else if (++taken === steps) child.kill(signal);
  }
  await closed;
  return outcome;
}

const rejected = (data: string): string => readFileSync(join(data, 'rejected.jsonl'), 'utf8');

/** What must not differ between an import that was killed and one that was not. */
function compare(actual: Outcome | null, expected: Outcome | null): void {
  expect(actual?.holds).toEqual(expected?.holds);
  const { read, rejected: bad, versions, finished } = expected!.summary;
  expect(actual?.summary).toMatchObject({ read, rejected: bad, versions, finished });
}

/** A small generator with a seed, so that a failure can be seen again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('an interrupted import', () => {
  it('X13: killed at 20 random points and resumed each time, it ends as the uninterrupted one: nothing lost, nothing doubled', async () => {
    const whole = join(folder, 'whole');
    const expected = await runUntil(whole, Infinity, 'SIGKILL');
    expect(expected?.summary).toMatchObject({ read: ROWS, finished: true, resumed: 0 });
    expect(expected?.holds.v1?.count).toBe(ROWS - expected!.summary.rejected);

    const next = random(20_261_123);
    let kills = 0;
    for (let run = 0; run < IMPORTS; run++) {
      const data = join(folder, `killed-${String(run)}`);
      for (let kill = 0; kill < KILLS; kill++) {
        // A whole import takes about 130 steps. Killed early each time, so that all kills fall into the same one.
        const outcome = await runUntil(data, 2 + next(16), 'SIGKILL');
        kills += 1;
        expect(outcome, 'it was killed before its end').toBeNull();
      }
      const outcome = await runUntil(data, Infinity, 'SIGKILL');
      compare(outcome, expected);
      expect(outcome?.summary.resumed).toBeGreaterThan(0);
      expect(rejected(data)).toBe(rejected(whole));
      expect(readdirSync(join(data, 'imports'))).toEqual([]);
    }
    expect(kills).toBe(20);
  }, 240_000);

  it('X12: SIGTERM finishes the batch in flight, leaves a checkpoint, and the same import resumes behind it', async () => {
    const data = join(folder, 'terminated');
    const first = await runUntil(data, 20, 'SIGTERM');
    expect(first?.summary.finished).toBe(false);
    const { read } = first!.summary;
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThan(ROWS);
    expect(first?.holds.v1?.count).toBe(first?.summary.versions.v1?.imported);
    const second = await runUntil(data, Infinity, 'SIGTERM');
    expect(second?.summary).toMatchObject({ read: ROWS, resumed: read, finished: true });
    expect(second?.holds.v2?.count).toBe(second?.summary.versions.v2?.imported);
    expect(second?.summary.versions.v1).toMatchObject({ unchanged: 0 });
  });

  it('starts over when the store has lost its rows since', async () => {
    const data = join(folder, 'lost');
    await runUntil(data, 30, 'SIGKILL');
    rmSync(join(data, 'vectors'), { recursive: true });
    const outcome = await runUntil(data, Infinity, 'SIGKILL');
    expect(outcome?.summary).toMatchObject({ read: ROWS, resumed: 0 });
    expect(outcome?.holds.v1?.count).toBe(outcome?.summary.versions.v1?.imported);
  });

  it('X7: takes an unreadable checkpoint for none, and skips by hash what is in', async () => {
    const data = join(folder, 'torn');
    await runUntil(data, 40, 'SIGKILL');
    const folderOf = join(data, 'imports');
    const checkpoint = readdirSync(folderOf).find((name) => name.endsWith('.json'));
    expect(checkpoint).toBeDefined();
    writeFileSync(join(folderOf, checkpoint!), '{"format":1,"done":');
    const outcome = await runUntil(data, Infinity, 'SIGKILL');
    const { versions, rejected: bad, resumed } = outcome!.summary;
    expect(resumed).toBe(0);
    expect(versions.v1!.unchanged).toBeGreaterThan(0);
    expect(versions.v1!.unchanged + versions.v1!.imported).toBe(ROWS - bad);
    expect(outcome?.holds.v1?.count).toBe(ROWS - bad);
    expect(existsSync(join(folderOf, checkpoint!))).toBe(false);
  });
});
