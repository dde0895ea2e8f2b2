import { Command } from 'commander';
import { cacheCommand } from './cache.js';
import { configCommand } from './config.js';
import { doctorCommand } from './doctor.js';
import { gpuLibsCommand } from './gpu-libs.js';
import { importCommand } from './import.js';
import { initCommand } from './init.js';
import { modelsCommand } from './models.js';
import { searchCommand } from './search.js';
import { serveCommand } from './serve.js';
import { storeCommand } from './store.js';
import { version } from './version.js';

/** The `kindred` command line: one file a command. */
export function program(): Command {
  const root = new Command('kindred')
    .description(
      'A GraphQL gateway for semantic search and recommendation, with model versions side by side.',
    )
    .version(version())
    .showHelpAfterError('(--help shows how)')
    // Otherwise a command would take for its own what stands after its subcommand: models add ... --set
    .enablePositionalOptions()
    .exitOverride((error) => {
      // commander's own faults are all wrong usage; help and version are none.
      process.exit(error.exitCode === 0 ? 0 : 2);
    })
    .addHelpText(
      'after',
      `
Examples:
  $ kindred serve                                   serve the sample catalogue on http://localhost:4000
  $ kindred init products.jsonl > catalogue.yaml    propose a catalogue.yaml for your data
  $ kindred import products.jsonl.gz                embed and write it, into every model version
  $ kindred search "warm jacket for the mountains"  ask without a server

Every command takes --config FILE and --set key=value; \`kindred config\` shows what holds.`,
    );
  for (const command of [
    serveCommand(),
    importCommand(),
    searchCommand(),
    modelsCommand(),
    storeCommand(),
    cacheCommand(),
    configCommand(),
    doctorCommand(),
    gpuLibsCommand(),
    initCommand(),
  ]) {
    root.addCommand(command.copyInheritedSettings(root));
    for (const child of command.commands) child.copyInheritedSettings(root);
  }
  return root;
}
