import { Command } from 'commander';
import { IMPORT_EXIT, type ImportSummary, importFiles } from '../catalogue/import.js';
import type { Config } from '../config.js';
import { workerCount } from '../embedding/onnx/providers.js';
import { onInterrupt } from './interrupt.js';
import { type CommonOptions, action, commandConfig, loadMain, withCommonOptions } from './options.js';
import { progressPrinter } from './progress.js';

/** Tokens in a batch: enough texts for the worker to cut into runs with hardly any padding, about a second of work. */
const BULK_BATCH_TOKENS = 8_192;

interface ImportOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly rejected?: string;
  readonly json?: boolean;
}

/** `kindred import FILE...`: embeds and writes a catalogue into every live version. */
export function importCommand(): Command {
  return withCommonOptions(new Command('import'))
    .description('Import JSONL, NDJSON or CSV files (plain or .gz) into every model version.')
    .argument('<files...>', 'files to import')
    .option('--dry-run', 'read and validate everything, write nothing')
    .option('--rejected <file>', 'where rejected rows go (default: in the data folder)')
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      `
Unchanged rows are skipped by their content hash. An import that was stopped or killed goes on where it was when it is started again
with the same files. Rejected rows are written with line number and reasons.

Examples:
  $ kindred import products.jsonl.gz
  $ kindred import --dry-run products.csv
  $ kindred import part-1.ndjson.gz part-2.ndjson.gz --set catalogue.file=catalogue.yaml

Exit codes: 0 all rows are in; 1 failed (configuration, store, model); 2 wrong usage; 3 done, but rows were rejected; 130, 143 interrupted
by SIGINT or SIGTERM, to be resumed by the same command.`,
    )
    .action(
      action(async (files: string[], options: ImportOptions) => {
        const interruption = onInterrupt();
        const config = withoutRequests(commandConfig(options));
        const { openDomain } = await loadMain();
        const domain = await openDomain(config);
        try {
          const { itemCatalogue: catalogue, registry, telemetry } = domain;
          for (const [id, fault] of Object.entries(registry.faults())) {
            throw new Error(
              `model version ${id} is not ready: ${fault} (or leave it out of models.versions)`,
            );
          }
          const summary = await importFiles({
            files,
            catalogue,
            targets: registry.served().map(({ version, embedder, collection, catalogue: own }) => ({
              id: version.id,
              embedder,
              collection,
              catalogue: own,
            })),
            config,
            telemetry,
            dataFolder: config.data,
            dryRun: options.dryRun,
            rejectedFile: options.rejected,
            signal: interruption.signal,
            onProgress: progressPrinter(process.stderr),
          });
          if (options.json === true) console.log(JSON.stringify(summary, null, 2));
          else printSummary(summary);
          if (!summary.finished) return interruption.code() ?? IMPORT_EXIT.failed;
          return summary.rejected > 0 ? IMPORT_EXIT.rejected : IMPORT_EXIT.ok;
        } finally {
          await domain.close();
        }
      }),
    );
}

/** No request waits behind the batches of this process, so they may be as large as pays, and the models get every core. */
function withoutRequests(config: Config): Config {
  const { embedding } = config;
  const bulkBatchTokens = Math.max(embedding.bulkBatchTokens, BULK_BATCH_TOKENS);
  const threads = workerCount(embedding, 0);
  return { ...config, embedding: { ...embedding, bulkBatchTokens, threads } };
}

/** The summary on standard output, for people; `--json` is for programs. */
function printSummary(summary: ImportSummary): void {
  const { read, rejected, resumed, seconds, optimizeSeconds, rate, rejectedFile, finished } = summary;
  for (const [id, { imported, unchanged, failed }] of Object.entries(summary.versions)) {
    console.log(
      `${id}: ${imported} imported, ${unchanged} unchanged${failed > 0 ? `, ${failed} refused by the model` : ''}`,
    );
  }
  const index = optimizeSeconds > 0 ? ` (of it ${optimizeSeconds.toFixed(1)} s building indexes)` : '';
  console.log(`${read} rows in ${seconds.toFixed(1)} s${index}, ${Math.round(rate)} rows/s`);
  if (resumed > 0) console.log(`${resumed} rows were in from an interrupted run`);
  if (rejected > 0) console.log(`${rejected} rows rejected: ${rejectedFile ?? 'see --rejected FILE'}`);
  if (!finished) console.log('Interrupted: start the same command again to go on.');
}
