import { Command, InvalidArgumentError } from 'commander';
import { type MigrationSummary, migrate } from '../vectors/migrate.js';
import {
  type CommonOptions,
  action,
  collectSetting,
  commandConfig,
  loadMain,
  withCommonOptions,
} from './options.js';
import { allServed, describeSummary, recordsPrinter, withDomain } from './with-domain.js';

interface MigrateOptions extends CommonOptions {
  readonly to: Record<string, string>;
  readonly json?: boolean;
}

/** `kindred store migrate`: copies vectors and items of every version to another store, without embedding anything anew. */
export function migrateCommand(): Command {
  return withCommonOptions(new Command('migrate'))
    .description('Copy vectors and items of every model version to another store; nothing is embedded anew.')
    .requiredOption(
      '--to <key=value>',
      'setting of the other store, on top of the config; given again for each',
      (text: string, settings?: Record<string, string>) => {
        const all = collectSetting(text, settings ?? {});
        if (Object.keys(all).some((key) => key !== 'data' && !key.startsWith('store.')))
          throw new InvalidArgumentError(`expected data or a setting of store, received ${text}`);
        return all;
      },
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The store that the config names is read and stays as it is. Started again after any end, it writes what is still missing; records that the
other store has beyond those of this one stay there. Gateways may serve from the old store meanwhile: change their config afterwards.

Examples:
  $ kindred store migrate --to store.adapter=milvus --to store.milvus.address=localhost:19530
  $ kindred store migrate --set store.adapter=milvus --to store.adapter=lancedb --to data=/var/lib/kindred

Exit codes: 0 everything is there; 1 failed; 2 wrong usage; 130, 143 interrupted by SIGINT or SIGTERM: start it again to go on.`,
    )
    .action(
      action((options: MigrateOptions) =>
        withDomain(options, async ({ registry }, signal) => {
          const { openStore } = await loadMain();
          const store = openStore(commandConfig({ ...options, set: { ...options.set, ...options.to } }));
          try {
            const summaries: Record<string, MigrationSummary> = {};
            for (const { version, collection } of allServed(registry)) {
              const into = await store.open(collection.spec);
              const summary = await migrate(collection, into, { signal, onProgress: recordsPrinter() });
              summaries[version.id] = summary;
              if (options.json !== true)
                console.log(`${version.id}: ${describeSummary(summary, store.name)}`);
            }
            if (options.json === true) console.log(JSON.stringify(summaries, null, 2));
          } finally {
            await store.close();
          }
        }),
      ),
    );
}
