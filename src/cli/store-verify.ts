import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { importFiles } from '../catalogue/import.js';
import { type CommonOptions, EXIT, action, commandConfig, loadMain, withCommonOptions } from './options.js';
import { progressPrinter } from './progress.js';
import { printTable } from './table.js';

/** `kindred store verify FILE...`: compares ids and content hashes of each version with the source files. */
export function verifyCommand(): Command {
  return withCommonOptions(new Command('verify'))
    .description('Compare every id and content hash of each model version with the files that were imported.')
    .argument('<files...>', 'all files of the catalogue')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Nothing is embedded or written. "differing" rows are missing in the store or were made from another row, template or catalogue; "extra" ones are
in the store and in none of the files.

Examples:
  $ kindred store verify products.jsonl.gz
  $ kindred store verify part-1.ndjson.gz part-2.ndjson.gz --set store.adapter=milvus

Exit codes: 0 store and files agree; 1 they do not, or the check failed; 2 wrong usage.`,
    )
    .action(
      action(async (files: string[], options: CommonOptions & { json?: boolean }) => {
        const config = commandConfig(options);
        const { openDomain } = await loadMain();
        const domain = await openDomain(config);
        // A check must not meet the checkpoint of an import, nor leave one.
        const scratch = mkdtempSync(join(tmpdir(), 'kindred-verify-'));
        try {
          const { itemCatalogue: catalogue, registry, telemetry } = domain;
          for (const [id, fault] of Object.entries(registry.faults()))
            throw new Error(`model version ${id} is not ready: ${fault}`);
          const served = registry.served();
          const summary = await importFiles({
            files,
            catalogue,
            targets: served.map(({ version, embedder, collection, catalogue: own }) => ({
              id: version.id,
              embedder,
              collection,
              catalogue: own,
            })),
            config,
            telemetry,
            dataFolder: scratch,
            dryRun: true,
            onProgress: progressPrinter(process.stderr),
          });
          const versions = await Promise.all(
            served.map(async ({ version: { id }, collection }) => {
              const { imported: differing = 0, unchanged: equal = 0 } = summary.versions[id] ?? {};
              const rows = await collection.count();
              return { version: id, rows, equal, differing, extra: Math.max(0, rows - equal - differing) };
            }),
          );
          if (options.json === true)
            console.log(JSON.stringify({ versions, rejected: summary.rejected }, null, 2));
          else
            printTable(
              ['version', 'rows', 'equal', 'differing', 'extra'],
              versions.map(({ version, rows, equal, differing, extra }) => [
                version,
                rows,
                equal,
                differing,
                extra,
              ]),
            );
          return versions.every(({ rows, equal }) => rows === equal) &&
            versions.every(({ differing }) => differing === 0)
            ? EXIT.ok
            : EXIT.failed;
        } finally {
          await domain.close();
          rmSync(scratch, { recursive: true, force: true });
        }
      }),
    );
}
