import { existsSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { proposeCatalogue } from '../catalogue/propose.js';
import { KindredError } from '../errors.js';
import { EXIT, action } from './options.js';

/** `kindred init FILE`: proposes a catalogue.yaml from data. */
export function initCommand(): Command {
  return new Command('init')
    .description('Propose a catalogue.yaml from a JSONL or CSV file (plain or .gz).')
    .argument('<file>', 'the file to read')
    .option('-o, --output <file>', 'write there instead of standard output')
    .option('--force', 'overwrite the output file')
    .addHelpText(
      'after',
      `
Examples:
  $ kindred init products.jsonl.gz > catalogue.yaml
  $ kindred init products.csv --output catalogue.yaml
  $ kindred serve --set catalogue.file=catalogue.yaml

Exit codes: 0 written; 1 the file can't be read; 2 wrong usage.`,
    )
    .action(
      action(async (file: string, options: { output?: string; force?: boolean }) => {
        if (options.output !== undefined && existsSync(options.output) && options.force !== true) {
          throw new KindredError('BAD_USER_INPUT', `${options.output} exists: give --force to overwrite it`);
        }
        const yaml = await proposeCatalogue(file);
        if (options.output === undefined) process.stdout.write(yaml);
        else writeFileSync(options.output, yaml);
        return EXIT.ok;
      }),
    );
}
