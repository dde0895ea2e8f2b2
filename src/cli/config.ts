import { Command } from 'commander';
import { stringify } from 'yaml';
import { maskSecrets } from '../config.js';
import { type CommonOptions, EXIT, action, commandConfig, withCommonOptions } from './options.js';

/** `kindred config`: what holds, with secrets masked. */
export function configCommand(): Command {
  return withCommonOptions(new Command('config'))
    .description('Print the configuration that holds, with secrets masked.')
    .option('--json', 'print JSON instead of YAML')
    .addHelpText(
      'after',
      `
Examples:
  $ kindred config
  $ KINDRED_SERVER_PORT=8080 kindred config --json
  $ kindred config --set models.stable=v1

Exit codes: 0 the configuration holds; 1 it has faults, all of which are listed; 2 wrong usage.`,
    )
    .action(
      action(async (options: CommonOptions & { json?: boolean }) => {
        const masked = maskSecrets(commandConfig(options));
        process.stdout.write(
          options.json === true ? `${JSON.stringify(masked, null, 2)}\n` : stringify(masked),
        );
        return Promise.resolve(EXIT.ok);
      }),
    );
}
