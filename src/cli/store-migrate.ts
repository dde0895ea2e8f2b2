import { Command, InvalidArgumentError } from 'commander';
import { onInterrupt } from './interrupt.js';
import { type MigrationSummary, migrate } from '../vectors/migrate.js';
import {
  type CommonOptions,
  EXIT,
  action,
  collectSetting,
  commandConfig,
  loadMain,
  withCommonOptions,
} from './options.js';
import { progressPrinter } from './progress.js';

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
      action(async (options: MigrateOptions) => {
        const interruption = onInterrupt();
        const config = commandConfig(options);
        const target = commandConfig({ ...options, set: { ...options.set, ...options.to } });
        const { openDomain, openStore } = await loadMain();
        const domain = await openDomain(config);
        const store = openStore(target);
        try {
          for (const [id, fault] of Object.entries(domain.registry.faults()))
            throw new Error(
              `model version ${id} is not ready: ${fault} (or leave it out of models.versions)`,
            );
          const summaries: Record<string, MigrationSummary> = {};
          for (const { version, collection } of domain.registry.served()) {
            const print = progressPrinter(process.stderr);
            const into = await store.open(collection.spec);
            const summary = await migrate(collection, into, {
              signal: interruption.signal,
              onProgress: ({ total, read }) => {
                print({ phase: 'import', bytes: read, totalBytes: total, read, rejected: 0, resumed: 0 });
              },
            });
            summaries[version.id] = summary;
            if (options.json !== true) {
              const { read, written, extra } = summary;
              const more = extra > 0 ? `, ${String(extra)} more were there already` : '';
              console.log(
                `${version.id}: ${String(read)} records, ${String(written)} written to ${store.name}${more}`,
              );
            }
          }
          if (options.json === true) console.log(JSON.stringify(summaries, null, 2));
          return EXIT.ok;
        } catch (error) {
          const code = interruption.code();
          if (code === undefined) throw error;
          console.error('Interrupted: start the same command again to go on.');
          return code;
        } finally {
          await store.close();
          await domain.close();
        }
      }),
    );
}
