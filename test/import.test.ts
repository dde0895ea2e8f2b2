import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type ImportOptions,
  type ImportProgress,
  type ImportSummary,
  importFiles,
} from '../src/catalogue/import.js';
import type { ImportTarget } from '../src/catalogue/import-target.js';
import { parseCatalogue } from '../src/catalogue/load.js';
import type { Reject } from '../src/catalogue/rejects.js';
import { loadConfig } from '../src/config.js';
import type { Embedder } from '../src/embedding/embedder.js';
import { KindredError, badInput } from '../src/errors.js';
import { noTelemetry } from '../src/telemetry.js';
import { createMemoryStore } from '../src/vectors/memory.js';
import type { Collection } from '../src/vectors/store.js';
import { createFakeEmbedder } from './fake-embedder.js';

const CATALOGUE = parseCatalogue(
  'template: "{title}\\n{colour}"\nfields: { title: string search, price: float filter, colour: string }\nvectors: { v2: vector }',
  'test',
);
const RETRY = { attempts: 4, baseMs: 1, maxMs: 2 };

const folders: string[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kindred-import-'));
  folders.push(folder);
});
afterAll(() => {
  for (const each of folders) rmSync(each, { recursive: true, force: true });
});

function config(batchSize = 10): ImportOptions['config'] {
  return loadConfig({ env: {}, flags: { 'import.batchSize': String(batchSize) } });
}

interface CountingEmbedder extends Embedder {
  readonly texts: string[];
}

/** A fake embedder that remembers what it embedded; `before` may throw or answer for it. */
function embedder(
  id: string,
  dimension: number,
  before?: (texts: readonly string[]) => void,
): CountingEmbedder {
  const inner = createFakeEmbedder({ id, dimension });
  const texts: string[] = [];
  return {
    ...inner,
    texts,
    embed: async (batch, options) => {
      before?.(batch);
      texts.push(...batch);
      return inner.embed(batch, options);
    },
  };
}

async function target(
  embedderOf: Embedder,
  wrap = (collection: Collection) => collection,
): Promise<ImportTarget> {
  const { id, dimension } = embedderOf.model;
  const fields = [{ name: 'price', type: 'float' as const }];
  const collection = await createMemoryStore().open({ name: `product_${id}`, dimension, fields });
  return { id, embedder: embedderOf, collection: wrap(collection) };
}

function rows(count: number, title = (index: number) => `Lamp ${String(index)}`): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `p${String(index)}`,
    title: title(index),
    price: index,
  }));
}

function write(content: readonly Record<string, unknown>[] | string, name = 'products.jsonl'): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    typeof content === 'string' ? content : content.map((row) => `${JSON.stringify(row)}\n`).join(''),
  );
  return path;
}

function run(
  file: string | string[],
  targets: ImportTarget[],
  more: Partial<ImportOptions> = {},
): Promise<ImportSummary> {
  return importFiles({
    files: [file].flat(),
    catalogue: CATALOGUE,
    targets,
    config: config(),
    telemetry: noTelemetry(),
    dataFolder: join(folder, 'data'),
    retry: RETRY,
    ...more,
  });
}

function readRejects(summary: ImportSummary): Reject[] {
  if (summary.rejectedFile === null) return [];
  return readFileSync(summary.rejectedFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Reject);
}

const left = (): string[] =>
  readdirSync(join(folder, 'data', 'imports')).filter((name) => !name.endsWith('.rejected.jsonl'));

describe('an import', () => {
  it('puts every row into every version, and leaves neither lock nor checkpoint', async () => {
    const [v1, v2] = [await target(embedder('v1', 8)), await target(embedder('v2', 16))];
    const summary = await run(write(rows(35)), [v1, v2]);
    expect(summary).toMatchObject({
      read: 35,
      rejected: 0,
      resumed: 0,
      finished: true,
      rejectedFile: null,
      versions: {
        v1: { imported: 35, unchanged: 0, failed: 0 },
        v2: { imported: 35, unchanged: 0, failed: 0 },
      },
    });
    expect(await v1.collection.count()).toBe(35);
    expect(await v2.collection.count()).toBe(35);
    expect(await v2.collection.fetch(['p7'])).toEqual([
      { id: 'p7', fields: { title: 'Lamp 7', price: 7, colour: null } },
    ]);
    const [stored] = await v2.collection.vectors(['p7']);
    const [fresh] = await v2.embedder.embed(['Lamp 7'], { purpose: 'document' });
    expect(fresh).toMatchObject({ vector: stored });
    expect(left()).toEqual([]);
  });

  it('embeds only what is new or has another text the next time', async () => {
    const model = embedder('v1', 8);
    const v1 = await target(model);
    await run(write(rows(35)), [v1]);
    model.texts.length = 0;
    const changed = rows(36, (index) => (index === 3 ? 'Chair' : `Lamp ${String(index)}`));
    changed[5] = { ...changed[5], price: 99 };
    const summary = await run(write(changed), [v1]);
    expect(summary.versions).toEqual({ v1: { imported: 3, unchanged: 33, failed: 0 } });
    expect(model.texts.sort()).toEqual(['Chair', 'Lamp 35']);
    expect(await v1.collection.fetch(['p5'])).toMatchObject([{ fields: { title: 'Lamp 5', price: 99 } }]);
    expect(await v1.collection.count()).toBe(36);
  });

  it('embeds everything for a version that is new, and nothing for the others', async () => {
    const [one, two] = [embedder('v1', 8), embedder('v2', 16)];
    const v1 = await target(one);
    const file = write(rows(12));
    await run(file, [v1]);
    const summary = await run(file, [v1, await target(two)]);
    expect(summary.versions).toMatchObject({
      v1: { imported: 0, unchanged: 12 },
      v2: { imported: 12, unchanged: 0 },
    });
    expect([one.texts.length, two.texts.length]).toEqual([12, 12]);
  });

  it('M1: writes each rejected row with file, line, key, reasons and text to the dead-letter file, and keeps the good ones', async () => {
    const v1 = await target(embedder('v1', 8));
    const file = write(
      [
        '{"id":"a","title":"Lamp"}',
        'no json',
        '{"id":"","title":"x","price":"y"}',
        '{"id":"a","title":"Lamp again"}',
        '{"id":"b"}',
        `{"id":"c","title":12,"colour":"${'x'.repeat(5_000)}"}`,
        '{"id":"d","title":"Chair"}',
      ].join('\r\n'),
    );
    const summary = await run(file, [v1]);
    expect(summary).toMatchObject({ read: 7, rejected: 5, versions: { v1: { imported: 2 } } });
    const rejects = readRejects(summary);
    expect(rejects.map(({ line, id }) => [line, id])).toEqual([
      [2, undefined],
      [3, undefined],
      [4, 'a'],
      [5, 'b'],
      [6, 'c'],
    ]);
    expect(rejects.every((reject) => reject.file === file)).toBe(true);
    expect(rejects[0]).toMatchObject({ row: 'no json' });
    expect(rejects[1]?.reasons).toHaveLength(2);
    expect(rejects[2]?.reasons).toEqual([
      `id: expected each key once, received one that line 1 of ${file} has`,
    ]);
    expect(rejects[3]?.reasons.join()).toContain('template: expected a text');
    expect(rejects[4]?.row).toHaveLength(2_000);
    expect(await v1.collection.fetch(['a', 'd'])).toMatchObject([{ fields: { title: 'Lamp' } }, { id: 'd' }]);
  });

  it('M1: finds a key again in another file, and reads files of several kinds', async () => {
    const v1 = await target(embedder('v1', 8));
    const files = [write(rows(3)), write('id,title,price\np1,x,1\nq1,=1+1,"2.5"\n', 'more.csv')];
    const summary = await run(files, [v1]);
    expect(summary).toMatchObject({ read: 5, rejected: 1, versions: { v1: { imported: 4 } } });
    expect(readRejects(summary)[0]?.reasons.join()).toContain(`line 2 of ${files[0] ?? ''}`);
    expect(await v1.collection.fetch(['q1'])).toMatchObject([{ fields: { title: '=1+1', price: 2.5 } }]);
  });

  it('M1: takes given vectors, and rejects the row in the middle whose vector has another dimension', async () => {
    const [one, two] = [embedder('v1', 8), embedder('v2', 3)];
    const [v1, v2] = [await target(one), await target(two)];
    const given = rows(3).map((row, index) => ({ ...row, vector: index === 1 ? [1, 2] : [3, 0, 4] }));
    const summary = await run(write(given), [v1, v2]);
    expect(summary).toMatchObject({ rejected: 1, versions: { v1: { imported: 2 }, v2: { imported: 2 } } });
    expect(two.texts).toEqual([]);
    expect(await v2.collection.vectors(['p0', 'p1'])).toEqual([Float32Array.from([0.6, 0, 0.8]), null]);
  });

  it('rejects a row for the version whose model refuses its text, and puts it into the others', async () => {
    const picky: Embedder = {
      ...embedder('v2', 8),
      embed: async (texts) =>
        Promise.resolve(
          texts.map((text) =>
            text === 'Lamp 3'
              ? badInput('too strange')
              : { vector: new Float32Array(8).fill(0.35), tokens: 1, truncated: false },
          ),
        ),
    };
    const [v1, v2] = [await target(embedder('v1', 8)), await target(picky)];
    const summary = await run(write(rows(5)), [v1, v2]);
    expect(summary).toMatchObject({
      rejected: 1,
      versions: { v1: { imported: 5 }, v2: { imported: 4, failed: 1 } },
    });
    expect(readRejects(summary)).toMatchObject([
      { line: 4, id: 'p3', reasons: [expect.stringContaining('too strange')] },
    ]);
  });

  it('sends texts sorted by length, as documents in the bulk lane, never more at once than half the queue', async () => {
    let waiting = 0;
    let most = 0;
    const lanes = new Set<string>();
    const sent: number[] = [];
    const inner = createFakeEmbedder({ id: 'v1', dimension: 8 });
    const slow: Embedder = {
      ...inner,
      embed: async (texts, options) => {
        lanes.add(`${options.purpose} ${options.lane ?? ''}`);
        waiting += texts.length;
        most = Math.max(most, waiting);
        sent.push(...texts.map((text) => text.length));
        await new Promise((resolve) => setTimeout(resolve, 2));
        waiting -= texts.length;
        return inner.embed(texts, options);
      },
    };
    const loaded = loadConfig({
      env: {},
      flags: { 'import.batchSize': '200', 'embedding.maxQueueTexts': '64' },
    });
    const file = write(rows(200, (index) => 'x'.repeat(((index * 37) % 200) + 1)));
    await run(file, [await target(slow)], { config: loaded });
    expect([...lanes]).toEqual(['document bulk']);
    expect(most).toBeLessThanOrEqual(32);
    expect(sent).toEqual([...sent].sort((a, b) => a - b));
    expect(sent).toHaveLength(200);
  });

  it('tries again what fails for a passing reason', async () => {
    let failures = 3;
    const busy = embedder('v1', 8, () => {
      if (failures-- > 0) throw new KindredError('OVERLOADED', 'busy');
    });
    let lost = 2;
    const v1 = await target(busy, (collection) => ({
      ...collection,
      upsert: (records) =>
        lost-- > 0
          ? Promise.reject(new KindredError('UPSTREAM_UNAVAILABLE', 'gone'))
          : collection.upsert(records),
    }));
    expect((await run(write(rows(15)), [v1])).versions).toMatchObject({ v1: { imported: 15 } });
    expect(await v1.collection.count()).toBe(15);
  });

  it('stops with a clear error when the model stays away, and resumes when it is back', async () => {
    let down = false;
    const model = embedder('v1', 8, () => {
      if (down) throw new KindredError('UPSTREAM_UNAVAILABLE', 'the model server is away');
    });
    const v1 = await target(model);
    const file = write(rows(80));
    const onProgress = ({ read }: ImportProgress): void => void (down ||= read >= 20);
    await expect(run(file, [v1], { onProgress })).rejects.toThrow(
      /UPSTREAM_UNAVAILABLE: the model server is away; the same import goes on/,
    );
    const before = await v1.collection.count();
    expect(before).toBeGreaterThanOrEqual(20);
    expect(before).toBeLessThan(80);
    down = false;
    const summary = await run(file, [v1]);
    expect(summary).toMatchObject({
      read: 80,
      resumed: before,
      versions: { v1: { imported: 80, unchanged: 0 } },
      finished: true,
    });
    expect(await v1.collection.count()).toBe(80);
  });

  it('rejects the one text that kills its worker every time, and embeds its neighbours', async () => {
    const inner = createFakeEmbedder({ id: 'v1', dimension: 8 });
    const deadly: Embedder = {
      ...inner,
      embed: async (texts, options) => {
        const outcomes = await inner.embed(texts, options);
        const poison = texts.includes('Lamp 2');
        return outcomes.map((outcome, index) =>
          poison && index < 5 ? new KindredError('MODEL_VERSION_UNAVAILABLE', 'its worker died') : outcome,
        );
      },
    };
    const summary = await run(write(rows(10)), [await target(deadly)]);
    expect(summary.versions).toEqual({ v1: { imported: 9, unchanged: 0, failed: 1 } });
    expect(readRejects(summary)).toMatchObject([
      { id: 'p2', reasons: [expect.stringContaining('its worker died')] },
    ]);
  });

  it('M1: keeps the rows before a cut in a gzip file, and says which file is damaged', async () => {
    const { gzipSync } = await import('node:zlib');
    const packed = gzipSync(
      rows(5_000)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    );
    const file = join(folder, 'cut.jsonl.gz');
    writeFileSync(file, packed.subarray(0, packed.length - 2_000));
    const v1 = await target(embedder('v1', 8));
    await expect(run(file, [v1], { config: config(1_000) })).rejects.toThrow(
      `${file}: the gzip data is damaged or cut off`,
    );
    const kept = await v1.collection.count();
    expect(kept).toBeGreaterThan(4_000);
    expect(await v1.collection.fetch([`p${String(kept - 1)}`, `p${String(kept)}`])).toMatchObject([{}, null]);
  });

  it('checks all files before any row is read', async () => {
    const v1 = await target(embedder('v1', 8));
    const good = write(rows(3));
    await expect(run([good, join(folder, 'missing.csv')], [v1])).rejects.toThrow(
      'missing.csv: expected a file',
    );
    await expect(run([good, good], [v1])).rejects.toThrow('expected each file once');
    await expect(run(good, [v1], { rejectedFile: good })).rejects.toThrow('another file for rejected rows');
    await expect(run([], [v1])).rejects.toThrow('at least one file');
    expect(await v1.collection.count()).toBe(0);
    expect(readFileSync(good, 'utf8')).toContain('Lamp 0');
  });

  it('embeds and writes nothing in a dry run, and counts what it would', async () => {
    const model = embedder('v1', 8);
    const v1 = await target(model);
    await run(write(rows(4)), [v1]);
    model.texts.length = 0;
    const bad = `${rows(6)
      .map((row) => JSON.stringify(row))
      .join('\n')}\nbad\n`;
    const summary = await run(write(bad, 'more.jsonl'), [v1], {
      dryRun: true,
      dataFolder: join(folder, 'elsewhere'),
    });
    expect(summary).toMatchObject({
      read: 7,
      rejected: 1,
      rejectedFile: null,
      versions: { v1: { imported: 2, unchanged: 4 } },
    });
    expect(model.texts).toEqual([]);
    expect(await v1.collection.count()).toBe(4);
    expect(existsSync(join(folder, 'elsewhere'))).toBe(false);
    const rejectedFile = join(folder, 'rejected.jsonl');
    const second = await run(join(folder, 'more.jsonl'), [], { dryRun: true, rejectedFile });
    expect(readRejects(second)).toMatchObject([{ line: 7 }]);
  });

  it('writes the rejected rows where it is told, anew each time', async () => {
    const rejectedFile = join(folder, 'rejected', 'rows.jsonl');
    const v1 = await target(embedder('v1', 8));
    const file = write('{"id":"1"}\nx\n');
    for (let time = 0; time < 2; time++) {
      const summary = await run(file, [v1], { rejectedFile });
      expect(summary.rejectedFile).toBe(rejectedFile);
      expect(readRejects(summary)).toHaveLength(2);
    }
    const fixed = await run(write('{"id":"1","title":"x"}\n'), [v1], { rejectedFile });
    expect(fixed.rejectedFile).toBeNull();
    expect(existsSync(rejectedFile)).toBe(false);
  });

  it('is the only one in its data folder, and takes over the lock of one that died', async () => {
    const v1 = await target(embedder('v1', 8));
    const file = write(rows(30));
    let second: Promise<unknown> | undefined;
    const first = run(file, [v1], {
      onProgress: () => {
        second ??= run(file, [v1]).catch((error: unknown) => error);
      },
    });
    await first;
    expect(String(await second)).toMatch(
      /expected no other import into this data folder, but process \d+ on .* holds/,
    );

    const lock = join(folder, 'data', 'imports', 'Product.lock');
    const { hostname } = await import('node:os');
    mkdirSync(join(folder, 'data', 'imports'), { recursive: true });
    writeFileSync(lock, JSON.stringify({ token: 'x', pid: 2 ** 22 + 1, started: '1', host: hostname() }));
    expect(await run(file, [v1])).toMatchObject({ finished: true });
    // The same number, but another process: the system gave it away again.
    writeFileSync(lock, JSON.stringify({ token: 'x', pid: process.pid, started: '1', host: hostname() }));
    expect(await run(file, [v1])).toMatchObject({ finished: true });
    writeFileSync(lock, JSON.stringify({ token: 'x', pid: 1, started: '1', host: 'another-host' }));
    await expect(run(file, [v1])).rejects.toThrow('process 1 on another-host');
    expect(existsSync(lock)).toBe(true);
  });

  it('passes on what no retry mends, and leaves no lock behind', async () => {
    const broken = await target(embedder('v1', 8), (collection) => ({
      ...collection,
      upsert: () => Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })),
    }));
    await expect(run(write(rows(3)), [broken])).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(left().filter((name) => name.endsWith('.lock'))).toEqual([]);
  });
});
