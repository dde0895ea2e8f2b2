import { Command, InvalidArgumentError, Option } from 'commander';
import type { SearchMode } from '../models/model-version.js';
import {
  type CommonOptions,
  EXIT,
  action,
  commandConfig,
  loadMain,
  wholeNumber,
  withCommonOptions,
} from './options.js';
import { printTable } from './table.js';

interface SearchOptions extends CommonOptions {
  readonly model?: string;
  readonly mode: Lowercase<SearchMode>;
  readonly first: number;
  readonly json?: boolean;
}

/** `kindred search TEXT`: asks the data folder without a server. */
export function searchCommand(): Command {
  return withCommonOptions(new Command('search'))
    .description('Search the imported catalogue, without a server.')
    .argument('<text>', 'what to look for')
    .option('-m, --model <version>', 'model version or alias (default: stable)', (text: string) => {
      if (text === '') throw new InvalidArgumentError('expected a model version, received an empty text');
      return text;
    })
    .addOption(
      new Option('--mode <mode>', 'what to go by')
        .choices(['semantic', 'lexical', 'hybrid'])
        .default('semantic'),
    )
    .option('-n, --first <number>', 'how many results', wholeNumber(100), 10)
    .option('--json', 'print JSON lines with every field')
    .addHelpText(
      'after',
      `
Examples:
  $ kindred search "something to keep soup hot at work"
  $ kindred search "thermos 500 ml" --mode hybrid
  $ kindred search "gift for a cyclist" --model v1 --first 5 --json

Exit codes: 0 answered; 1 failed (no such version, store not there, ...); 2 wrong usage.`,
    )
    .action(
      action(async (text: string, options: SearchOptions) => {
        const config = commandConfig(options);
        const { openDomain, searchOnce } = await loadMain();
        const domain = await openDomain(config);
        try {
          const { hits, model } = await searchOnce(domain, {
            query: text,
            mode: options.mode.toUpperCase() as SearchMode,
            first: options.first,
            modelVersion: options.model ?? null,
          });
          const items = await model.collection.fetch(hits.map((hit) => hit.id));
          if (options.json === true) {
            hits.forEach((hit, index) => console.log(JSON.stringify({ ...hit, ...items[index]?.fields })));
            return EXIT.ok;
          }
          if (hits.length === 0)
            console.error('Nothing found: has a catalogue been imported? (kindred import FILE)');
          const title = domain.catalogue.fields.find((field) => field.type === 'string')?.name ?? '';
          printTable(
            ['#', 'score', 'id', title],
            hits.map((hit, index) => [
              index + 1,
              hit.score.toFixed(3),
              hit.id,
              textOf(items[index]?.fields[title]),
            ]),
          );
          return EXIT.ok;
        } finally {
          await domain.close();
        }
      }),
    );
}

/** A field's value in a table cell. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 80) : '';
}
