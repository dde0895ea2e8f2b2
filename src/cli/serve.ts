import { Command } from 'commander';
import type { Domain } from '../main.js';
import { seed } from '../seed.js';
import { onInterrupt } from './interrupt.js';
import { type CommonOptions, EXIT, action, commandConfig, loadMain, withCommonOptions } from './options.js';
import { progressPrinter } from './progress.js';

interface ServeOptions extends CommonOptions {
  readonly port?: string;
  readonly host?: string;
}

/** `kindred serve`: the gateway. */
export function serveCommand(): Command {
  return withCommonOptions(new Command('serve'))
    .description('Serve the catalogue over GraphQL; a first start imports the seed files.')
    .option('-p, --port <number>', 'port to listen on')
    .option('--host <address>', 'address to listen on')
    .addHelpText(
      'after',
      `
Examples:
  $ kindred serve
  $ kindred serve --port 8080 --host 0.0.0.0 --data /var/lib/kindred
  $ kindred serve --set catalogue.file=catalogue.yaml

SIGTERM or SIGINT finishes the requests in flight and stops; a second one stops at once.

Exit codes: 0 stopped when asked to; 1 could not start; 2 wrong usage; 130, 143 stopped by a second signal.`,
    )
    .action(
      action(async (options: ServeOptions) => {
        const config = commandConfig(options, { 'server.port': options.port, 'server.host': options.host });
        const { openDomain, openGateway } = await loadMain();
        const { signal, happened } = onInterrupt();
        const domain = await openDomain(config, { logTo: 1 });
        try {
          await seed(domain, { signal, onProgress: progressPrinter(process.stderr) });
          if (signal.aborted) return EXIT.ok;
          await warnWhenEmpty(domain);
          const gateway = await openGateway(domain);
          domain.log.info({ url: gateway.url }, `Kindred answers at ${gateway.url}`);
          await happened;
          await gateway.close();
        } finally {
          await domain.close();
        }
        return EXIT.ok;
      }),
    );
}

/** An empty catalogue answers every search with nothing, which looks like a fault to who forgot the import. */
async function warnWhenEmpty({ log, registry }: Domain): Promise<void> {
  for (const { version, collection } of registry.served()) {
    if ((await collection.count()) > 0) continue;
    log.warn({ version: version.id }, 'nothing is imported into this version yet: kindred import FILE');
  }
}
