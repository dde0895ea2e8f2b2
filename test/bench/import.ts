import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { loadCatalogue } from '../../src/catalogue/load.js';
import { renderText } from '../../src/catalogue/template.js';
import { parseRow } from '../../src/catalogue/validate.js';
import { packageRoot } from '../../src/package-root.js';
import { openBareSession } from './bare-session.js';
import { DATA, readRows } from './data.js';
import { runCli } from '../server-process.js';
import { report } from './report.js';

const CATALOGUE = packageRoot('deploy/sample/chorus.catalogue.yaml');

/**
 * `npm run bench -- import`: the CLI imports chorus into v1 alone (wall seconds) and into v2 alone (texts per CPU-second of the whole
 * process), against a bare onnxruntime loop over the same texts: tokenized beforehand, sorted by length, batches of 32, one thread.
 * BENCH_ROWS takes fewer rows for v2.
 */
export async function benchImport(): Promise<void> {
  const all = await readRows(`${DATA}/chorus/products.jsonl.gz`);
  const rows = all.slice(0, Number(process.env.BENCH_ROWS ?? all.length));
  const folder = await mkdtemp(join(tmpdir(), 'kindred-bench-'));
  try {
    const file = join(folder, 'rows.jsonl');
    writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    const importInto = (
      version: string,
      path: string,
    ): Promise<{ wall: number; cpu: number; code: number }> =>
      runCli([
        'import',
        path,
        ...[
          '--set',
          `catalogue.file=${CATALOGUE}`,
          '--set',
          `models.versions=${version}`,
          '--set',
          `models.stable=${version}`,
        ],
        ...['--data', join(folder, version)],
      ]);

    const v1 = await importInto('v1', `${DATA}/chorus/products.jsonl.gz`);
    const bareV1 = await bareLoop('v1', textsOf(all));
    report({
      bench: 'import',
      name: 'chorus into v1, wall time',
      value: v1.wall,
      unit: 's',
      baseline: bareV1.cpu,
      against: 'bare onnxruntime loop, CPU s',
      target: '< 60',
      rows: all.length,
      exitCode: v1.code,
    });

    const v2 = await importInto('v2', file);
    const texts = textsOf(rows);
    const bareV2 = await bareLoop('v2', texts);
    report({
      bench: 'import',
      name: 'chorus into v2',
      value: texts.length / v2.cpu,
      unit: 'texts/CPU-s',
      baseline: texts.length / bareV2.cpu,
      against: 'bare onnxruntime loop, sorted, batches of 32',
      target: 'ratio >= 0.9',
      rows: texts.length,
      wallSeconds: Math.round(v2.wall),
      exitCode: v2.code,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function textsOf(rows: readonly unknown[]): string[] {
  const catalogue = loadCatalogue(CATALOGUE);
  return rows.map((row) => {
    const parsed = parseRow(catalogue, row as Record<string, unknown>, { source: 'json' });
    if (!('item' in parsed)) throw new Error('a row of chorus does not fit its catalogue');
    return renderText(catalogue, parsed.item);
  });
}

/** CPU seconds of session.run alone over `texts`: what any server above onnxruntime has to be measured by. */
async function bareLoop(version: string, texts: readonly string[]): Promise<{ cpu: number }> {
  const bare = await openBareSession(version);
  const { runCpu } = await bare.loop(
    texts.map(bare.encode).sort((a, b) => a.length - b.length),
    32,
  );
  await bare.close();
  return { cpu: runCpu };
}
